/* A headset app in small: a picture and a second of sound, then a percept. */
#include <sensorium.h>
#include <stdio.h>
#include <stdlib.h>

enum { WIDTH = 64, HEIGHT = 48, RATE_HZ = 16000 };

static int fail(void) {
  fprintf(stderr, "%s\n", sensorium_error());
  return 1;
}

int main(int count, char** given) {
  if (count != 2) return 2;
  sensorium_session* session = sensorium_open(given[1], NULL);
  if (session == NULL) return fail();
  static uint8_t rgb[WIDTH * HEIGHT * 3];
  static float sound[RATE_HZ];
  for (int i = 0; i < WIDTH * HEIGHT * 3; ++i) rgb[i] = (uint8_t)rand();
  for (int i = 0; i < RATE_HZ; ++i) sound[i] = (float)(rand() % 200 - 100) / 10000.0F;
  if (sensorium_connect(session, "vision", 33333333) != 0) return fail();
  if (sensorium_push_frame(session, rgb, WIDTH, HEIGHT, 0, sensorium_now_ns()) != 0) return fail();
  if (sensorium_push_audio(session, sound, RATE_HZ, sensorium_now_ns() - 1000000000) != 0) return fail();
  if (sensorium_push_frame(session, rgb, -1, HEIGHT, 0, 0) == 0) return 3;
  const char* told = sensorium_tick(session);
  if (told == NULL) return fail();
  puts(told);
  sensorium_disconnect(session, "vision", "unplugged");
  puts(sensorium_tick(session));
  sensorium_close(session);
  return 0;
}
