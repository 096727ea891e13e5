#include "messages.h"

#include <cstring>
#include <limits>

namespace sensorium {
namespace {

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "numbers travel in little endian, and are not turned round");

constexpr std::uint32_t kLongestHeader = 1U << 20;  // a recording's settings have some 3 kB
constexpr std::int64_t kMaxPixels = 64'000'000;     // as edge/sensorium/samples.py
constexpr std::uint32_t kLongestNumbers = 3U * kMaxPixels;
constexpr Ns kEver = std::numeric_limits<Ns>::max() / 4;  // sums of times do not overflow
constexpr std::size_t kPrefix = 8;

Frame frame(const Fields& fields, const std::string& numbers) {
  const Json& shape = as_array(fields.at("shape"), fields.path("shape"));
  const auto size = [&](std::size_t axis) -> std::int64_t {
    const bool whole = axis < shape.size() && shape[axis].is_number_integer();
    return whole ? shape[axis].get<std::int64_t>() : 0;
  };
  const bool fits = shape.size() == 3 && size(2) == 3 && size(0) > 0 && size(1) > 0 && size(0) <= kMaxPixels &&
                    size(1) <= kMaxPixels / size(0) &&
                    numbers.size() == static_cast<std::size_t>(size(0) * size(1) * 3);
  if (!fits)
    throw SampleError("a frame is uint8 (height, width, 3) RGB of at most 64,000,000 pixels; given " + brief(shape) +
                      " and " + std::to_string(numbers.size()) + " bytes");
  auto picture = std::make_shared<Picture>();
  picture->height = static_cast<int>(size(0));
  picture->width = static_cast<int>(size(1));
  picture->rgb.assign(numbers.begin(), numbers.end());
  return {0, std::move(picture), fields.flag_or("still", false)};
}

AudioChunk audio(const Fields& fields, const std::string& numbers) {
  AudioChunk chunk;
  const bool cleaned = fields.flag_or("cleaned", false);
  const std::size_t rows = cleaned ? 2 : 1;
  if (numbers.empty() || numbers.size() % (rows * sizeof(float)) != 0)
    throw SampleError("an audio chunk is float32 (n,), one channel" + std::string(cleaned ? ", and (n,) cleaned" : "") +
                      "; given " + std::to_string(numbers.size()) + " bytes");
  const auto row = [&](std::size_t index) {
    std::vector<float> samples(numbers.size() / sizeof(float) / rows);
    std::memcpy(samples.data(), numbers.data() + index * samples.size() * sizeof(float), samples.size() * sizeof(float));
    return samples;
  };
  chunk.samples = row(0);
  if (cleaned) chunk.cleaned = row(1);
  chunk.rate_hz = fields.integer("rate_hz", 1, 1'000'000);
  chunk.echo = fields.number_or("echo", 0);
  return chunk;
}

std::uint32_t length_at(const char* bytes) {
  std::uint32_t length = 0;
  std::memcpy(&length, bytes, sizeof length);
  return length;
}

}  // namespace

std::optional<Message> Messages::next() {
  const std::size_t left = waiting_.size() - taken_;
  if (left < kPrefix) return std::nullopt;
  const char* start = waiting_.data() + taken_;
  const std::uint32_t header = length_at(start), numbers = length_at(start + 4);
  if (header > kLongestHeader || numbers > kLongestNumbers)
    throw Error("the stream is no stream of messages: one of " + std::to_string(header) + " + " +
                std::to_string(numbers) + " bytes");
  if (left < kPrefix + header + numbers) return std::nullopt;
  Message message{parse_json({start + kPrefix, header}, "a message's header"), {start + kPrefix + header, numbers}};
  as_object(message.header, "a message's header");
  taken_ += kPrefix + header + numbers;
  if (taken_ * 2 > waiting_.size()) {
    waiting_.erase(0, taken_);
    taken_ = 0;
  }
  return message;
}

bool is_sample(const Message& message) { return message.header.contains("type"); }

std::string modality_of(const Message& message) { return Fields(message.header, "a sample").text("modality"); }

Sample parse_sample(const Message& message, Ns now_ns) {
  const Fields fields(message.header, "a sample");
  const Ns at_ns = fields.integer_or("captured_ns", -kEver, kEver, now_ns);
  const std::string type = fields.text("type");
  const auto timed = [&](auto sample) {
    sample.captured_ns = at_ns;
    return Sample(std::move(sample));
  };
  if (type == "frame") return timed(frame(fields, message.numbers));
  if (type == "audio") return timed(audio(fields, message.numbers));
  if (type == "line") return timed(Line{0, fields.text("text")});
  throw SampleError("no sample type '" + type + "'; the native runner takes frame, audio, line");
}

SourceChanged parse_source_changed(const Json& header) {
  const Fields fields(header, "SourceChanged");
  SourceChanged change;
  change.modality = fields.text("modality");
  const std::string state = fields.text("state");
  if (state == "open")
    change.state = SourceChanged::State::open;
  else if (state == "lost")
    change.state = SourceChanged::State::lost;
  else if (state == "ended")
    change.state = SourceChanged::State::ended;
  else if (state == "faulty")
    change.state = SourceChanged::State::faulty;
  else
    throw Error(fields.path("state") + " is open, lost, ended or faulty; given " + state);
  change.reason = fields.text_or("reason", "");
  if (fields.has("info") && !fields.at("info").is_null())
    change.period_ns = Fields(fields.at("info"), fields.path("info")).integer("period_ns", 0, kEver / 8);
  return change;
}

}  // namespace sensorium
