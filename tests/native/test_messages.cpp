// Messages come in pieces of any length, and what is none is refused, not followed.
#include <cstring>

#include "check.h"
#include "messages.h"

using sensorium::Message;
using sensorium::Messages;
using sensorium::parse_sample;

namespace {

std::string packed(const std::string& header, const std::string& numbers = "") {
  const std::uint32_t lengths[2] = {static_cast<std::uint32_t>(header.size()),
                                    static_cast<std::uint32_t>(numbers.size())};
  std::string made(sizeof lengths, '\0');
  std::memcpy(made.data(), lengths, sizeof lengths);
  return made + header + numbers;
}

void pieces_of_any_length_give_the_same_messages() {
  const std::string bytes =
      packed(R"({"step": "Check"})") + packed(R"({"type": "line", "text": "hi"})", "12345") + packed("{}");
  for (std::size_t piece = 1; piece <= bytes.size(); ++piece) {
    Messages messages;
    std::vector<Message> got;
    for (std::size_t start = 0; start < bytes.size(); start += piece) {
      messages.feed(bytes.data() + start, std::min(piece, bytes.size() - start));
      while (auto message = messages.next()) got.push_back(*message);
    }
    CHECK(got.size() == 3 && messages.empty());
    CHECK(got[1].numbers == "12345" && is_sample(got[1]) && !is_sample(got[0]));
  }
}

void what_is_no_message_is_refused() {
  const auto refusal = [](const std::string& bytes) {
    Messages messages;
    messages.feed(bytes.data(), bytes.size());
    return raised([&] { messages.next(); });
  };
  CHECK(contains(refusal("GET / HTTP/1.1\r\n\r\n"), "no stream of messages"));
  CHECK(contains(refusal(packed("{")), "no JSON"));
  CHECK(contains(refusal(packed("7")), "is an object"));
  const std::string deep = "{\"shape\": " + std::string(300'000, '[') + std::string(300'000, ']') + "}";
  CHECK(contains(refusal(packed(deep)), "a message's header has more than 64 levels"));
  Messages cut;
  const std::string half = packed("{}", "1234").substr(0, 9);
  cut.feed(half.data(), half.size());
  CHECK(!cut.next() && !cut.empty());
}

std::string refusal(const std::string& header, const std::string& numbers) {
  return raised([&] { parse_sample({sensorium::Json::parse(header), numbers}, 7); });
}

void a_sample_is_what_it_says() {
  const auto frame = parse_sample({sensorium::Json::parse(R"({"type": "frame", "shape": [1, 2, 3]})"), "abcdef"}, 7);
  CHECK(std::get<sensorium::Frame>(frame).picture->width == 2 && std::get<sensorium::Frame>(frame).captured_ns == 7);
  const float values[2] = {0.5F, -1.0F};
  const std::string numbers(reinterpret_cast<const char*>(values), sizeof values);
  const auto sound =
      parse_sample({sensorium::Json::parse(R"({"type": "audio", "rate_hz": 16000, "captured_ns": 3})"), numbers}, 7);
  CHECK(std::get<sensorium::AudioChunk>(sound).samples[1] == -1.0F && !std::get<sensorium::AudioChunk>(sound).cleaned);
  const std::string cleaned = R"({"type": "audio", "rate_hz": 16000, "cleaned": true})";
  const auto both = std::get<sensorium::AudioChunk>(parse_sample({sensorium::Json::parse(cleaned), numbers}, 7));
  CHECK(both.samples == std::vector<float>{0.5F} && both.cleaned == std::vector<float>{-1.0F});
  CHECK(contains(refusal(cleaned, numbers.substr(4)), "(n,) cleaned"));
  for (const char* shape : {"[1, 2]", "[1, 2, 4]", "[0, 2, 3]", "[-1, -2, 3]", "[4611686018427387904, 4, 3]",
                            "[1, 1, 3]", "[1.5, 2, 3]", "7"})
    CHECK(!refusal(std::string(R"({"type": "frame", "shape": )") + shape + "}", "abcdef").empty());
  CHECK(contains(refusal(R"({"type": "audio", "rate_hz": 0})", numbers), "rate_hz is a whole number from 1"));
  CHECK(contains(refusal(R"({"type": "audio", "rate_hz": 16000})", "abc"), "float32"));
  CHECK(contains(refusal(R"({"type": "smell"})", ""), "takes frame, audio, line"));
  CHECK(contains(refusal(R"({"type": "line", "text": "x", "captured_ns": 9223372036854775807})", ""), "whole number"));
}

}  // namespace

int main() {
  pieces_of_any_length_give_the_same_messages();
  what_is_no_message_is_refused();
  a_sample_is_what_it_says();
}
