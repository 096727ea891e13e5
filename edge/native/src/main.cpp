// sensorium-native: a bundle, messages from standard input or a socket, events as JSON lines.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "clock.h"
#include "replay.h"
#include "session.h"

namespace sensorium {
namespace {

constexpr const char* kHelp =
    "usage: sensorium-native BUNDLE [--listen PORT] [--look-for LABEL,LABEL] [--tick-ms 200] [--threads 1]\n"
    "\n"
    "Runs a bundle's model on samples that come as messages (see cmake/README.md) and prints events as JSON lines.\n"
    "\n"
    "  --listen PORT     take the messages of one connection to 127.0.0.1:PORT instead of standard input;\n"
    "                    0 picks a port and says which\n"
    "  --look-for LABELS only these of the model's labels\n"
    "  --tick-ms MS      between two percepts\n"
    "  --threads N       1: one thread; 0: one for each core\n"
    "\n"
    "A recorded session makes its decisions again: sensorium replay FILE --messages - | sensorium-native BUNDLE\n";

constexpr std::size_t kBlock = 1U << 20;
constexpr std::size_t kGulp = 64U << 20;  // read at once, so that only the newest picture of it is looked at

struct Options {
  std::string bundle;
  std::optional<int> port;
  std::vector<std::string> look_for;
  Ns tick_ns = 200 * kNsPerMs;  // five answers a second: as fast as a person notices
  int threads = 1;
};

long number(const std::string& name, const std::string& value, long least, long most) {
  char* end = nullptr;
  const long given = std::strtol(value.c_str(), &end, 10);
  if (value.empty() || *end != '\0' || given < least || given > most)
    throw Error(name + " is from " + std::to_string(least) + " to " + std::to_string(most) + "; given '" + value + "'");
  return given;
}

std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> made;
  for (std::size_t start = 0; start <= text.size();) {
    const std::size_t stop = std::min(text.find(',', start), text.size());
    const std::size_t first = std::min(text.find_first_not_of(' ', start), stop);
    if (stop > first) made.push_back(text.substr(first, stop - first));
    start = stop + 1;
  }
  return made;
}

Options parse(const std::vector<std::string>& given) {
  Options options;
  for (std::size_t i = 0; i < given.size(); ++i) {
    const std::string& name = given[i];
    const auto value = [&]() -> const std::string& {
      if (i + 1 == given.size()) throw Error(name + " needs a value; --help shows them");
      return given[++i];
    };
    if (name == "--listen")
      options.port = static_cast<int>(number(name, value(), 0, 65535));
    else if (name == "--look-for")
      options.look_for = split(value());
    else if (name == "--tick-ms")
      options.tick_ns = number(name, value(), 10, 60'000) * kNsPerMs;
    else if (name == "--threads")
      options.threads = static_cast<int>(number(name, value(), 0, 1));
    else if (name.size() > 1 && name[0] == '-')
      throw Error("no option " + name + "; --help shows them");
    else if (options.bundle.empty())
      options.bundle = name;
    else
      throw Error("one bundle is run at a time; given " + options.bundle + " and " + name);
  }
  if (options.bundle.empty()) throw Error("which bundle? Give its folder; --help shows more");
  return options;
}

// The one connection that comes to the loopback port.
int accept_one(int port) {
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  socklen_t size = sizeof address;
  auto* where = reinterpret_cast<sockaddr*>(&address);
  if (listener < 0 || bind(listener, where, size) != 0 || listen(listener, 1) != 0 ||
      getsockname(listener, where, &size) != 0)
    throw Error("127.0.0.1:" + std::to_string(port) + ": " + std::strerror(errno));
  std::fprintf(stderr, "listening on 127.0.0.1:%d\n", ntohs(address.sin_port));
  const int connection = accept(listener, nullptr, nullptr);
  close(listener);
  if (connection < 0) throw Error(std::string("no connection: ") + std::strerror(errno));
  return connection;
}

// Bytes of a pipe or socket as messages.
class Input {
 public:
  explicit Input(int descriptor) : descriptor_(descriptor), block_(kBlock) {}

  // Waits for bytes until `until_ns` (none: for ever) and reads what is there; false at the end. Raises Error.
  bool read(std::optional<Ns> until_ns) {
    std::size_t read = 0;
    while (read < kGulp) {
      pollfd waits{descriptor_, POLLIN, 0};
      const int ready = poll(&waits, 1, read > 0 ? 0 : timeout_ms(until_ns));
      if (ready < 0 && errno == EINTR) continue;
      if (ready == 0) return true;
      const ssize_t count = ::read(descriptor_, block_.data(), block_.size());
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) throw Error(std::string("the stream cannot be read: ") + std::strerror(errno));
      if (count == 0) return end(read);
      messages_.feed(block_.data(), static_cast<std::size_t>(count));
      read += static_cast<std::size_t>(count);
    }
    return true;
  }

  std::optional<Message> next() { return messages_.next(); }
  bool empty() const { return messages_.empty(); }

 private:
  static int timeout_ms(std::optional<Ns> until_ns) {
    if (!until_ns) return -1;
    return static_cast<int>(std::max<Ns>(0, (*until_ns - monotonic_ns() + kNsPerMs - 1) / kNsPerMs));
  }

  static bool end(std::size_t read) { return read > 0; }  // what was read is taken first; the end comes again

  int descriptor_;
  std::vector<char> block_;
  Messages messages_;
};

void print(const Events& events) {
  for (const Event& event : events) {
    std::fwrite(event.line.data(), 1, event.line.size(), stdout);
    std::fputc('\n', stdout);
  }
  std::fflush(stdout);
}

void replay(const Bundle& bundle, const Json& settings, const Options& options, Input& input) {
  Replay replay(bundle, settings, options.threads);
  do {
    while (const std::optional<Message> message = input.next()) print(replay.handle(*message));
  } while (input.read(std::nullopt));
}

// Of the pictures that wait, only the newest is looked at; sound keeps its order.
std::vector<Message> waiting(Input& input, std::optional<Message> first) {
  std::vector<Message> made;
  if (first) made.push_back(std::move(*first));
  while (std::optional<Message> message = input.next()) {
    const auto is_frame = [](const Message& own) { return is_sample(own) && own.header["type"] == "frame"; };
    if (is_frame(*message)) made.erase(std::remove_if(made.begin(), made.end(), is_frame), made.end());
    made.push_back(std::move(*message));
  }
  return made;
}

void take(Session& session, const Message& message) {
  const Ns now_ns = monotonic_ns();
  if (is_sample(message))
    session.push(modality_of(message), parse_sample(message, now_ns), now_ns, monotonic_ns);
  else
    session.connect(parse_source_changed(message.header), now_ns);
}

void run(const Bundle& bundle, const Options& options, Input& input, std::optional<Message> first) {
  Session session(bundle, options.look_for, options.threads);
  session.connect({"text", SourceChanged::State::open, "", 0}, monotonic_ns());
  Ns due_ns = monotonic_ns() + options.tick_ns;
  for (bool more = true; more;) {
    const std::optional<Ns> check_ns = session.next_check_ns();
    if (!first) more = input.read(check_ns ? std::min(*check_ns, due_ns) : due_ns);
    for (const Message& message : waiting(input, std::exchange(first, std::nullopt))) take(session, message);
    if (!more)
      for (const std::string& name : session.open_modalities())
        session.connect({name, SourceChanged::State::ended, name + " has ended", 0}, monotonic_ns());
    const Ns now_ns = monotonic_ns();
    if (session.is_urgent() || !more) due_ns = std::min(due_ns, now_ns);
    if (now_ns >= due_ns) {
      session.tick(due_ns, now_ns);
      due_ns += options.tick_ns;
    } else {
      session.check(now_ns);
    }
    print(session.take());
  }
}

void serve(const Options& options) {
  const Bundle bundle(options.bundle);
  Input input(options.port ? accept_one(*options.port) : STDIN_FILENO);
  std::optional<Message> first;
  while (!(first = input.next()) && input.read(std::nullopt)) {
  }
  if (first && first->header.contains("settings"))
    replay(bundle, first->header["settings"], options, input);
  else
    run(bundle, options, input, std::move(first));
  if (!input.empty()) throw Error("the stream was cut off in the middle of a message");
}

}  // namespace
}  // namespace sensorium

int main(int count, char** given) {
  const std::vector<std::string> arguments(given + 1, given + count);
  if (std::find(arguments.begin(), arguments.end(), "--help") != arguments.end()) {
    std::fputs(sensorium::kHelp, stdout);
    return 0;
  }
  try {
    sensorium::serve(sensorium::parse(arguments));
  } catch (const std::exception& err) {
    std::fprintf(stderr, "sensorium-native: %s\n", err.what());
    return 1;
  }
  return 0;
}
