/* Sensorium's native runner for apps: pictures and sound in, percepts as JSON lines out.
 *
 *     sensorium_session *session = sensorium_open("keypad.bundle", NULL);
 *     if (session == NULL) { fprintf(stderr, "%s\n", sensorium_error()); return 1; }
 *     sensorium_connect(session, "vision", 33333333);
 *     ...
 *     sensorium_push_frame(session, rgb, 640, 480, 0, sensorium_now_ns());
 *     sensorium_push_audio(session, samples, count, sensorium_now_ns());
 *     puts(sensorium_tick(session));
 *     ...
 *     sensorium_close(session);
 *
 * Times are nanoseconds of CLOCK_MONOTONIC. A session may be used from several threads; each call waits for the one
 * before it. What fails returns NULL or -1, and sensorium_error() says what was given, what is allowed, what to do.
 */
#ifndef SENSORIUM_H
#define SENSORIUM_H

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define SENSORIUM_API __attribute__((visibility("default")))
#else
#define SENSORIUM_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

typedef struct sensorium_session sensorium_session;

typedef struct sensorium_options {
  const char* const* look_for; /* the model's labels that percepts score, NULL at the end; NULL: all of them */
  int threads;                 /* 1: the caller's alone; 0: one for each core */
} sensorium_options;

/* Opens a bundle's folder after checking the hash of every file. options may be NULL: all labels, one thread. */
SENSORIUM_API sensorium_session* sensorium_open(const char* bundle, const sensorium_options* options);

/* Frees the session. NULL is fine. */
SENSORIUM_API void sensorium_close(sensorium_session* session);

/* A source of "vision" or "audio" is there, with a sample usual every period_ns (0: at no rate). One that gives none
 * for some periods is told as stale, then absent. Without this call, the first sample opens it at no rate. */
SENSORIUM_API int sensorium_connect(sensorium_session* session, const char* modality, int64_t period_ns);

/* It is gone, for this reason. */
SENSORIUM_API int sensorium_disconnect(sensorium_session* session, const char* modality, const char* reason);

/* One picture: 8-bit RGB, rows stride bytes apart (0: 3 * width). It is copied. */
SENSORIUM_API int sensorium_push_frame(sensorium_session* session, const uint8_t* rgb, int width, int height,
                                       size_t stride, int64_t captured_ns);

/* Mono sound in [-1, 1] at 16 kHz, any number of samples; captured_ns is the first one's time. */
SENSORIUM_API int sensorium_push_audio(sensorium_session* session, const float* samples, size_t count,
                                       int64_t captured_ns);

/* A percept of now, and what happened since the last tick: JSON lines, the percept is the last. Valid until the next
 * call with this session. Five times a second is usual. */
SENSORIUM_API const char* sensorium_tick(sensorium_session* session);

/* Why the last call of this thread failed. */
SENSORIUM_API const char* sensorium_error(void);

/* CLOCK_MONOTONIC. */
SENSORIUM_API int64_t sensorium_now_ns(void);

SENSORIUM_API const char* sensorium_version(void);

#ifdef __cplusplus
}
#endif

#endif
