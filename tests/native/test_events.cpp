// Numbers and texts are written as Python's json writes them.
#include "check.h"
#include "events.h"

using sensorium::rounded;

int main() {
  CHECK(rounded(0, 4) == "0.0");
  CHECK(rounded(1, 1) == "1.0");
  CHECK(rounded(-0.00001, 4) == "-0.0");
  CHECK(rounded(0.25, 1) == "0.2");  // half to even
  CHECK(rounded(0.35, 1) == "0.3");  // the double lies below
  CHECK(rounded(0.12345, 4) == "0.1235");
  CHECK(rounded(1234.5, 1) == "1234.5");
  CHECK(rounded(100, 4) == "100.0");
  const sensorium::Event event = sensorium::fault_event(5, "a\"b", "„tab\t”\x01");
  CHECK(event.line == "{\"event\": \"fault\", \"at_ns\": 5, \"where\": \"a\\\"b\", \"reason\": \"„tab\\t”\\u0001\"}");
}
