// Loudness and the gate: what stands out of the room is cut out, and no sound makes either fail.
#include <algorithm>
#include <random>

#include "check.h"
#include "encoders.h"

using namespace sensorium;

namespace {

void a_word_between_silences_is_one_stretch() {
  Loudness loudness;
  SpeechGate gate(kRateHz * 96 / 1000, kRateHz / 5, kRateHz / 10, kRateHz);
  std::mt19937 random(0);
  std::normal_distribution<float> quiet(0.0F, 1e-3F), loud(0.0F, 0.1F);
  std::vector<SpeechEnds> ends;
  for (int chunk = 0; chunk < 60; ++chunk) {
    Floats samples(kChunk);
    for (float& sample : samples) sample = chunk >= 20 && chunk < 30 ? loud(random) : quiet(random);
    if (const auto end = gate.step(loudness.probability(samples))) ends.push_back(*end);
  }
  CHECK(ends.size() == 1);
  CHECK(ends[0].start == 20 * kChunk - kRateHz / 10 && ends[0].end == 30 * kChunk + kRateHz / 10);
}

void speech_without_end_is_cut_and_goes_on() {
  SpeechGate gate(1536, 3200, 1600, 8000);
  std::int64_t last = 0;
  int count = 0;
  for (int chunk = 0; chunk < 200; ++chunk) {
    if (const auto end = gate.step(chunk % 13 == 0 ? 0.0 : 0.9)) {
      CHECK(end->start >= last && end->end > end->start && end->end <= gate.heard());
      last = end->end;
      ++count;
    }
  }
  CHECK(count > 10);
}

void sound_of_any_length_is_prepared_to_its_loudest() {
  SoundInput spec;
  spec.samples = 1600;
  Floats sound(16000, 0.0F);
  std::fill(sound.begin() + 9000, sound.begin() + 9800, 0.5F);
  const Floats made = prepare_sound(sound, spec);
  CHECK(made.size() == 1600);
  CHECK(std::count(made.begin(), made.end(), 0.5F) == 800);
  CHECK(prepare_sound(Floats(3, 1.0F), spec)[798] == 1.0F);
  CHECK(prepare_sound(Floats(1600, 0.25F), spec) == Floats(1600, 0.25F));
}

}  // namespace

int main() {
  a_word_between_silences_is_one_stretch();
  speech_without_end_is_cut_and_goes_on();
  sound_of_any_length_is_prepared_to_its_loudest();
}
