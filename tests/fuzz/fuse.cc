// Requests as the kernel sends them, to libfuse's session and our handlers: each has one reply, and
// none has anything in it of a file that nobody was granted.
//
// libfuse and the handlers trust the kernel in the form of a request (fs/fuse/dev.c): structures
// are whole, names end, handles are those that were given, and no more is forgotten than was looked
// up. All else is the input's.
#include <fuse_lowlevel.h>
#include <linux/fuse.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "fuse/handler_context.h"
#include "fuse/handlers.h"
#include "fuzz.h"
#include "grantfs/policy.h"
#include "policy/schema/schema.h"
#include "support/temporary_directory.h"
#include "tree/tree.h"

namespace grantfs::fuzz {
namespace {

constexpr std::string_view kToken = "alicealicealicealicealicealice23";
constexpr std::string_view kNobodys = "what nobody was granted";
constexpr std::uint64_t kNobodysBytes = 70007;
constexpr std::array<uid_t, 4> kCallers{0, 33, 1001, 1002};
constexpr std::size_t kMostRequests = 60;

/// A store and its policy: alice has a folder, everybody a file, and one file is nobody's.
class Site {
 public:
  Site() {
    std::filesystem::create_directories(store_folder() / "alice/folder");
    std::filesystem::create_directories(store_folder() / "open");
    std::ofstream(store_folder() / "alice/folder/file") << "alice's";
    std::ofstream(store_folder() / "open/file") << "everybody's";
    std::string secret(kNobodys);
    secret.resize(kNobodysBytes, '-');
    for (const char* name : {"secret", "alice.secret", "open/secret"})
      std::ofstream(store_folder() / name) << secret;
    std::filesystem::create_symlink("../secret", store_folder() / "alice/link");
    auto writer = db::Connection::open(database(), db::Mode::kCreate).value();
    const std::string rows = "INSERT INTO sessions (id, principal) VALUES ('" +
                             TokenHash::of(kToken).hex() +
                             "', 'user:alice');"
                             "INSERT INTO owners (path, principal) VALUES ('alice', 'user:alice');"
                             "INSERT INTO grants (principal, path) VALUES ('uid:1001', 'alice'), "
                             "('public', 'open/file');";
    require(writer.execute("PRAGMA journal_mode=WAL").ok() &&
                migrate_schema(writer, database(), schema_migrations()).ok() &&
                writer.execute(rows.c_str()).ok(),
            "the policy is written");
    policy_ = Policy::open({.database = database()}).value();
    store_ = std::make_unique<Store>(Store::open(store_folder(), FileIdKey{7}).value());
  }

  Policy& policy() { return *policy_; }
  const Store& store() const { return *store_; }

 private:
  std::filesystem::path store_folder() const { return folder_.path() / "store"; }
  std::filesystem::path database() const { return folder_.path() / "policy.db"; }

  TemporaryDirectory folder_;
  std::unique_ptr<Policy> policy_;
  std::unique_ptr<Store> store_;
};

template <class Struct>
std::string bytes_of(const Struct& value) {
  return {reinterpret_cast<const char*>(&value), sizeof value};
}

struct Reply {
  int error = 0;
  std::string body;

  template <class Struct>
  Struct as() const {
    Struct value{};
    require(body.size() >= sizeof value, "a reply is whole");
    std::memcpy(&value, body.data(), sizeof value);
    return value;
  }
};

/// The kernel's end of a session: sends requests one by one, and takes each one's reply.
class Kernel {
 public:
  Kernel(Site& site, bool asks_at_open)
      : tree_(site.policy(), site.store(),
              {.server_group = 0,
               .key = FileIdKey{7},
               .lending = {.lease = std::chrono::seconds{1}},
               .reads_by_node = !asks_at_open}),
        options_{.asks_at_open = asks_at_open, .passthrough = Use::kNo, .io_uring = Use::kNo},
        context_(tree_, options_) {
    std::array<int, 2> ends{};
    require(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) == 0,
            "there is a socket");
    end_ = UniqueFd(ends[0]);
    std::string name = "grantfs";
    std::array<char*, 1> words{name.data()};
    fuse_args arguments = FUSE_ARGS_INIT(1, words.data());
    const fuse_lowlevel_ops operations = handlers();
    session_ = fuse_session_new(&arguments, &operations, sizeof operations, &context_);
    require(session_ != nullptr &&
                fuse_session_mount(session_, ("/dev/fd/" + std::to_string(ends[1])).c_str()) == 0,
            "there is a session");
    fuse_opt_free_args(&arguments);
    fuse_init_in init{};
    init.major = FUSE_KERNEL_VERSION;
    init.minor = FUSE_KERNEL_MINOR_VERSION;
    init.max_readahead = kMostBytes;
    require(ask(FUSE_INIT, 0, 0, bytes_of(init)).error == 0, "the session begins");
    nodes_at_first_ = tree_.node_count();
  }

  /// A request, and its one reply.
  Reply ask(std::uint32_t opcode, std::uint64_t node, uid_t uid, const std::string& body) {
    send(opcode, node, uid, body);
    pollfd polled{end_.get(), POLLIN, 0};
    require(::poll(&polled, 1, kPatienceMilliseconds) == 1, "a request has a reply");
    const std::string reply = receive();
    fuse_out_header header{};
    require(reply.size() >= sizeof header, "a reply has a header");
    std::memcpy(&header, reply.data(), sizeof header);
    require(header.unique == unique_ && header.len == reply.size(),
            "a reply is that of its request");
    require(header.error <= 0 && header.error > -1000, "an error is one");
    require(reply.find(kNobodys) == std::string::npos, "nobody reads what nobody was granted");
    return {-header.error, reply.substr(sizeof header)};
  }

  /// A request without a reply.
  void tell(std::uint32_t opcode, std::uint64_t node, const std::string& body) {
    send(opcode, node, 0, body);
    require_silence();
  }

  void require_silence() const {
    pollfd polled{end_.get(), POLLIN, 0};
    require(::poll(&polled, 1, 0) == 0, "a request has no second reply");
  }

  bool asks_at_open() const { return context_.asks_at_open; }
  bool is_as_at_first() {
    return tree_.node_count() == nodes_at_first_ && context_.open_handles() == 0;
  }

 private:
  static constexpr std::uint32_t kMostBytes = 65536;
  static constexpr int kPatienceMilliseconds = 10000;

  void send(std::uint32_t opcode, std::uint64_t node, uid_t uid, const std::string& body) {
    fuse_in_header header{};
    header.len = static_cast<std::uint32_t>(sizeof header + body.size());
    header.opcode = opcode;
    header.unique = ++unique_;
    header.nodeid = node;
    header.uid = uid;
    header.gid = uid;
    std::string frame = bytes_of(header) + body;
    fuse_buf buffer{};
    buffer.mem = frame.data();
    buffer.size = frame.size();
    fuse_session_process_buf(session_, &buffer);
  }

  std::string receive() const {
    std::string frame(2 * kMostBytes, '\0');
    const ssize_t size = ::recv(end_.get(), frame.data(), frame.size(), 0);
    require(size > 0, "the session goes on");
    frame.resize(static_cast<std::size_t>(size));
    return frame;
  }

  Tree tree_;
  const FuseOptions options_;
  HandlerContext context_;
  UniqueFd end_;
  fuse_session* session_ = nullptr;  // as long as the program lives
  std::uint64_t unique_ = 0;
  std::size_t nodes_at_first_ = 0;
};

/// What the kernel knows while one input is tried, and what the input has it do.
class Client {
 public:
  Client(Kernel& kernel, std::string_view input) : kernel_(kernel), left_(input) {}

  void run() {
    for (std::size_t i = 0; i < kMostRequests && !left_.empty(); ++i) request();
    release_all();
    for (const auto& [node, count] : lookups_) forget(node, count);
    require(kernel_.is_as_at_first(), "what is forgotten and released is gone");
    const Reply reply = kernel_.ask(FUSE_LOOKUP, FUSE_ROOT_ID, 0, std::string("public") + '\0');
    require(reply.error == 0, "the next request is answered");
    forget(reply.as<fuse_entry_out>().nodeid, 1);
  }

 private:
  struct Handle {
    std::uint64_t node;
    std::uint64_t number;
  };

  void request() {
    const unsigned kind = take_byte(left_);
    uid_ = kCallers.at(take_byte(left_) % kCallers.size());
    const std::uint64_t node = take_node();
    switch (kind) {
      case 'l':
        return look_up(node);
      case 'g':
        return look_at(node);
      case 'o':
        return open(node, FUSE_OPEN, files_);
      case 'd':
        return open(node, FUSE_OPENDIR, folders_);
      case 'r':
        return kernel_.asks_at_open() ? read(FUSE_READ, files_) : read_by_node(node);
      case 'n':
        return read(FUSE_READDIR, folders_);
      case 'f':
        return forget_some();
      case 's':
        kernel_.ask(FUSE_READLINK, node, uid_, "");
        return;
      case 't':
        kernel_.ask(FUSE_STATFS, node, uid_, "");
        return;
      default:
        return other(kind, node);
    }
  }

  /// The root, a node that was looked up, or a number that somebody made up.
  std::uint64_t take_node() {
    constexpr unsigned kMadeUp = 0xff;
    const unsigned which = take_byte(left_);
    if (which == kMadeUp) {
      std::uint64_t made_up = 0;
      for (std::size_t i = 0; i < sizeof made_up; ++i) made_up = made_up << 8U | take_byte(left_);
      return made_up;
    }
    const std::size_t index = which % (nodes_.size() + 1);
    return index == 0 ? FUSE_ROOT_ID : nodes_[index - 1];
  }

  /// As the kernel has names: of 255 bytes at most, without a zero byte, and not empty.
  std::string take_name() {
    std::string name(take_until(left_, '\n').substr(0, NAME_MAX));
    name = name.substr(0, name.find('\0'));
    return (name.empty() ? "-" : name) + '\0';
  }

  static void try_attributes(const fuse_attr& attributes) {
    require(attributes.size != kNobodysBytes, "nobody learns the size of what nobody was granted");
    require(!S_ISREG(attributes.mode) || (attributes.mode & 0222U) == 0, "no file may be written");
  }

  void look_up(std::uint64_t node) {
    const Reply reply = kernel_.ask(FUSE_LOOKUP, node, uid_, take_name());
    if (reply.error != 0) return;
    const auto entry = reply.as<fuse_entry_out>();
    require(entry.nodeid != 0, "what is there has a node");
    try_attributes(entry.attr);
    if (lookups_[entry.nodeid]++ == 0) nodes_.push_back(entry.nodeid);
  }

  void look_at(std::uint64_t node) {
    const Reply reply = kernel_.ask(FUSE_GETATTR, node, uid_, bytes_of(fuse_getattr_in{}));
    if (reply.error == 0) try_attributes(reply.as<fuse_attr_out>().attr);
  }

  void open(std::uint64_t node, std::uint32_t opcode, std::vector<Handle>& handles) {
    fuse_open_in in{};
    in.flags = take_byte(left_) | static_cast<std::uint32_t>(take_byte(left_)) << 8U;
    const Reply reply = kernel_.ask(opcode, node, uid_, bytes_of(in));
    if (reply.error != 0) return;
    require(opcode == FUSE_OPENDIR || (in.flags & O_ACCMODE) == O_RDONLY,
            "nothing is opened for writing");
    handles.push_back({node, reply.as<fuse_open_out>().fh});
  }

  fuse_read_in take_range() {
    fuse_read_in in{};
    in.size = static_cast<std::uint32_t>(take_byte(left_)) << 8U;
    in.offset = take_byte(left_);
    return in;
  }

  void read(std::uint32_t opcode, const std::vector<Handle>& handles) {
    fuse_read_in in = take_range();
    if (handles.empty()) return;
    const Handle& handle = handles[take_byte(left_) % handles.size()];
    in.fh = handle.number;
    const Reply reply = kernel_.ask(opcode, handle.node, uid_, bytes_of(in));
    require(reply.body.size() <= in.size, "no more is read than was asked for");
    require(reply.body.find("secret") == std::string::npos,
            "no name is shown of what nobody was granted");
  }

  void read_by_node(std::uint64_t node) {
    const fuse_read_in in = take_range();
    const Reply reply = kernel_.ask(FUSE_READ, node, uid_, bytes_of(in));
    require(reply.body.size() <= in.size, "no more is read than was asked for");
  }

  /// Any other request, of which there is enough for whatever structure it has.
  void other(unsigned opcode, std::uint64_t node) {
    constexpr std::array<unsigned, 13> kNotAsked{
        FUSE_LOOKUP,  FUSE_FORGET,       FUSE_OPEN,        FUSE_READ,       FUSE_RELEASE,
        FUSE_INIT,    FUSE_OPENDIR,      FUSE_READDIR,     FUSE_RELEASEDIR, FUSE_INTERRUPT,
        FUSE_DESTROY, FUSE_NOTIFY_REPLY, FUSE_BATCH_FORGET};
    constexpr std::size_t kEnough = 256;
    for (const unsigned one : kNotAsked) {
      if (opcode == one) return;
    }
    std::string body(take_until(left_, '\n').substr(0, kEnough));
    body.resize(2 * kEnough, '\0');
    const Reply reply = kernel_.ask(opcode, node, uid_, body);
    const bool tells = opcode == FUSE_GETATTR || opcode == FUSE_STATFS || opcode == FUSE_READLINK;
    require(tells || reply.error != 0, "nothing but what is offered is done");
  }

  void forget(std::uint64_t node, std::uint64_t count) {
    fuse_forget_in in{};
    in.nlookup = count;
    kernel_.tell(FUSE_FORGET, node, bytes_of(in));
  }

  /// All lookups of a node, none of whose handles is open.
  void forget_some() {
    if (nodes_.empty()) return;
    const std::size_t index = take_byte(left_) % nodes_.size();
    const std::uint64_t node = nodes_[index];
    for (const auto* handles : {&files_, &folders_}) {
      for (const Handle& handle : *handles) {
        if (handle.node == node) return;
      }
    }
    forget(node, lookups_[node]);
    lookups_.erase(node);
    nodes_.erase(nodes_.begin() + static_cast<std::ptrdiff_t>(index));
  }

  void release_all() {
    for (const auto& [handles, opcode] :
         {std::pair(&files_, FUSE_RELEASE), {&folders_, FUSE_RELEASEDIR}}) {
      for (const Handle& handle : *handles) {
        fuse_release_in in{};
        in.fh = handle.number;
        require(kernel_.ask(opcode, handle.node, 0, bytes_of(in)).error == 0,
                "what is open is closed");
      }
    }
  }

  Kernel& kernel_;
  std::string_view left_;
  uid_t uid_ = 0;
  std::vector<std::uint64_t> nodes_;
  std::map<std::uint64_t, std::uint64_t> lookups_;
  std::vector<Handle> files_;
  std::vector<Handle> folders_;
};

}  // namespace

/// Of the first byte, whether files are opened by request; then requests one after the other, as
/// Client has them.
void try_input(std::string_view input) {
  static Site site;
  static Kernel by_name(site, /*asks_at_open=*/true);
  static Kernel by_node(site, /*asks_at_open=*/false);
  Client(take_byte(input) % 2 == 0 ? by_name : by_node, input).run();
}

}  // namespace grantfs::fuzz
