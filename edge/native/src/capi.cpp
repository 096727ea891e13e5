#include <mutex>

#include "clock.h"
#include "sensorium.h"
#include "session.h"

using sensorium::AudioChunk;
using sensorium::Error;
using sensorium::kChunk;
using sensorium::kRateHz;
using sensorium::monotonic_ns;
using sensorium::Ns;

struct sensorium_session {
  sensorium_session(const sensorium::Bundle& bundle, std::vector<std::string> look_for, int threads)
      : session(bundle, std::move(look_for), threads) {}

  std::mutex one;
  sensorium::Session session;
  std::vector<float> rest;  // sound that is less than a chunk
  std::string told;
};

namespace {

thread_local std::string last_error;

constexpr std::int64_t kMaxPixels = 64'000'000;

// Runs `work`; what it raises becomes sensorium_error() and `failed`.
template <typename Result, typename Work>
Result guarded(Result failed, Work work) noexcept {
  try {
    return work();
  } catch (const std::bad_alloc&) {
    last_error = "there is no memory left";
  } catch (const std::exception& err) {
    last_error = err.what();
  }
  return failed;
}

template <typename Work>
int with(sensorium_session* session, Work work) noexcept {
  return guarded(-1, [&] {
    if (session == nullptr) throw Error("the session is NULL; sensorium_open makes one");
    const std::lock_guard<std::mutex> lock(session->one);
    work(*session);
    return 0;
  });
}

void push(sensorium_session& own, const char* modality, const sensorium::Sample& sample) {
  own.session.push(modality, sample, monotonic_ns(), monotonic_ns);
}

}  // namespace

sensorium_session* sensorium_open(const char* bundle, const sensorium_options* options) {
  return guarded(static_cast<sensorium_session*>(nullptr), [&] {
    if (bundle == nullptr) throw Error("the bundle's path is NULL; give a folder");
    std::vector<std::string> look_for;
    for (const char* const* text = options != nullptr ? options->look_for : nullptr;
         text != nullptr && *text != nullptr; ++text)
      look_for.emplace_back(*text);
    const int threads = options != nullptr ? options->threads : 1;
    if (threads != 0 && threads != 1) throw Error("threads is 1 (the caller's) or 0 (one for each core)");
    return new sensorium_session(sensorium::Bundle(bundle), std::move(look_for), threads);
  });
}

void sensorium_close(sensorium_session* session) { delete session; }

int sensorium_connect(sensorium_session* session, const char* modality, int64_t period_ns) {
  return with(session, [&](sensorium_session& own) {
    if (modality == nullptr || period_ns < 0 || period_ns > 3600 * sensorium::kNsPerS)
      throw Error("a source has a modality, and a period from 0 to an hour");
    own.session.connect({modality, sensorium::SourceChanged::State::open, "", period_ns}, monotonic_ns());
  });
}

int sensorium_disconnect(sensorium_session* session, const char* modality, const char* reason) {
  return with(session, [&](sensorium_session& own) {
    if (modality == nullptr) throw Error("the modality is NULL; known: vision, audio");
    own.session.connect({modality, sensorium::SourceChanged::State::lost, reason != nullptr ? reason : "", 0},
                        monotonic_ns());
  });
}

int sensorium_push_frame(sensorium_session* session, const uint8_t* rgb, int width, int height, size_t stride,
                         int64_t captured_ns) {
  return with(session, [&](sensorium_session& own) {
    const bool sized = width > 0 && height > 0 && std::int64_t{width} * height <= kMaxPixels;
    const std::size_t row = sized ? std::size_t{3} * static_cast<std::size_t>(width) : 0;
    const std::size_t apart = stride == 0 ? row : stride;
    if (rgb == nullptr || !sized || apart < row)
      throw Error("a frame is 8-bit RGB of 1 to 64,000,000 pixels, its stride at least 3 * width; given " +
                  std::to_string(width) + "x" + std::to_string(height));
    auto picture = std::make_shared<sensorium::Picture>();
    picture->width = width;
    picture->height = height;
    picture->rgb.reserve(row * static_cast<std::size_t>(height));
    for (std::size_t y = 0; y < static_cast<std::size_t>(height); ++y)
      picture->rgb.insert(picture->rgb.end(), rgb + y * apart, rgb + y * apart + row);
    push(own, "vision", sensorium::Frame{captured_ns, std::move(picture), false});
  });
}

int sensorium_push_audio(sensorium_session* session, const float* samples, size_t count, int64_t captured_ns) {
  return with(session, [&](sensorium_session& own) {
    if (samples == nullptr && count > 0) throw Error("the samples are NULL; sound is float32 at 16 kHz");
    Ns at_ns = captured_ns - static_cast<Ns>(own.rest.size()) * sensorium::kNsPerS / kRateHz;
    own.rest.insert(own.rest.end(), samples, samples + count);
    std::size_t taken = 0;
    for (; own.rest.size() - taken >= static_cast<std::size_t>(kChunk); taken += kChunk) {
      AudioChunk chunk;
      chunk.captured_ns = at_ns;
      chunk.rate_hz = kRateHz;
      chunk.samples.assign(own.rest.begin() + static_cast<std::ptrdiff_t>(taken),
                           own.rest.begin() + static_cast<std::ptrdiff_t>(taken) + kChunk);
      push(own, "audio", chunk);
      at_ns += chunk.duration_ns();
    }
    own.rest.erase(own.rest.begin(), own.rest.begin() + static_cast<std::ptrdiff_t>(taken));
  });
}

const char* sensorium_tick(sensorium_session* session) {
  const int failed = with(session, [&](sensorium_session& own) {
    const Ns now_ns = monotonic_ns();
    own.session.tick(now_ns, now_ns);
    own.told.clear();
    for (const sensorium::Event& event : own.session.take()) own.told += (own.told.empty() ? "" : "\n") + event.line;
  });
  return failed != 0 ? nullptr : session->told.c_str();
}

const char* sensorium_error(void) { return last_error.c_str(); }

int64_t sensorium_now_ns(void) { return monotonic_ns(); }

const char* sensorium_version(void) { return SENSORIUM_VERSION; }
