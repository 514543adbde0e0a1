#pragma once

#include <sodium.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "base/sync.h"
#include "grantfs/policy.h"
#include "grantfs/store_path.h"
#include "nodes/node_ids.h"
#include "nodes/slab.h"
#include "nodes/view.h"
#include "store/store.h"

namespace grantfs {

/// What a node is to the kernel.
enum class NodeKind : std::uint8_t {
  kDoor,    ///< a folder of the mount's own: its root, and those in which views are looked up
  kLink,    ///< the symbolic link to the caller's own view
  kMarker,  ///< what has expired: an empty file
  kFolder,  ///< a folder of a view; a view's own root is one
  kFile,    ///< a file of the store in a view, or in several
};

/// What a node stands for, copied out of the table.
struct Place {
  NodeId id = 0;
  NodeKind kind = NodeKind::kDoor;
  DoorNumber door = 0;             ///< outside the views: which
  ViewPointer view{};              ///< none outside the views, and of a file that views share
  StorePath path{};                ///< in the store
  std::vector<std::string> way{};  ///< of a door: the names that lead to it, outermost first
  Found last;                 ///< what the last lookup found there; meaningless outside the views
  FileHandle handle;          ///< of a file
  bool holds_steady = false;  ///< a folder: see NodeTable::hold_steady()
  /// A folder: the most that is lent with the entry that leads there, as far as we know; as
  /// LentEntry::lent. kClosed: nothing.
  Access lent = Access::kClosed;
};

/// Whose the node of a file is, and until when.
enum class FileNode : std::uint8_t {
  /// The name's, as long as it leads to that file. For a kernel that asks at every open, and then
  /// forgets what it has read.
  kOfName,
  /// The same, but no longer than until the file changes: what the kernel has read, it keeps by
  /// node, and comparing times and sizes does not tell it of all changes.
  kOfVersion,
  kShared,  ///< that of all views for servers, whatever the names, until the file changes
};

/// A name in a folder, as the kernel's cache has it (a dentry).
struct KernelEntry {
  NodeId parent;
  std::string name;  ///< of a door, a token maybe: it must not reach a log
  friend bool operator==(const KernelEntry&, const KernelEntry&) = default;
};

/// How far recalls had come when a decision was about to be made.
using RecallMark = std::uint64_t;

/// A decision that is to be lent to the kernel with an entry.
struct Loan {
  Decision decision;
  RecallMark mark;  ///< NodeTable::mark(), taken before the decision
  /// Whether it ends so soon that it must be listed as expiring.
  bool expires_soon = false;
};

/// An entry that the kernel may walk through without asking, or might have a moment ago.
struct LentEntry {
  KernelEntry entry;
  ViewPointer view;
  StorePath path;
  /// The most that has been lent with it, or with anything below it by a rule on it or above it.
  Access lent;
  NodeId leads_to = 0;  ///< which may no longer be what the name leads to
};

/// The nodes (inodes) that the kernel knows, with its lookup counts, and the entries (dentries)
/// that lead to them. A node lives until the kernel has forgotten every lookup of it and of
/// everything below it.
///
/// A folder belongs to one view and has one entry. A file may be shared: then all views that are
/// for servers have one node of it, whatever its names, so that the kernel caches its bytes once.
/// A file that takes the place of another, or that has changed, is another node; old handles keep
/// theirs. One that changed a moment ago, so that a later change might not show (Found::settled),
/// is another node every lease.
///
/// Entries also remember what has been lent with them lately, for recalls. A recall and a lookup
/// that overlap are kept apart by marks: begin_recall() comes before the recall collects, a lookup
/// takes its mark before it decides, and what it decided is not lent if a recall began meanwhile.
///
/// No node holds a descriptor. At 20 bytes a name, a node with one entry takes about 280 bytes.
///
/// Thread-safe. What goes over many names (forgetting a file that has many or a folder that holds
/// many, collecting what is lent) hands the lock on after every kAtOnce of them: nobody waits for
/// longer, however many there are.
class NodeTable {
 public:
  /// Names that are gone over before others have the lock.
  static constexpr std::size_t kAtOnce = 128;

  /// `lent_for`: how long an entry counts as lent after it last was, unless it is lent for longer.
  /// `often`: names that are looked up again within this time, and again, are in steady use.
  /// `fresh_for`: how old may be what the kernel shows of a file.
  explicit NodeTable(std::chrono::seconds lent_for = std::chrono::seconds(0),
                     std::chrono::seconds often = std::chrono::seconds(2),
                     std::chrono::nanoseconds fresh_for = std::chrono::nanoseconds(0));
  ~NodeTable() = default;

  /// What the node stands for; none if the kernel does not know such a node.
  std::optional<Place> find(NodeId id);

  struct Remembered {
    NodeId node;
    bool lent;                  ///< false: the kernel must not keep the answer
    bool is_steady = false;     ///< the name is in steady use
    bool holds_steady = false;  ///< the node is a folder: see hold_steady()
    /// For how long the answer may be lent at most, since the file might change unnoticed.
    std::chrono::nanoseconds fresh_for = std::chrono::nanoseconds::max();
    /// The node that was this file's until it changed, if this is the first time that it shows.
    NodeId before = 0;
  };

  /// One of the mount's own folders, links and markers, with one more lookup; `number`: which door.
  /// None if `parent` is gone.
  std::optional<Remembered> remember_fixed(NodeId parent, std::string_view name, NodeKind kind,
                                           DoorNumber number = 0);
  /// The root of a view, where its paths begin, with one more lookup. If the name led to another
  /// folder of the store before, or was that of other processes, the former view is left to those
  /// who are in it. None if `parent` is gone.
  std::optional<Remembered> remember_view(NodeId parent, std::string_view name, ViewPointer view,
                                          const Loan* loan);
  /// A folder of a view that is there whatever the store has, with one more lookup. None if
  /// `parent` is gone.
  std::optional<Remembered> remember_empty_folder(NodeId parent, std::string_view name,
                                                  const Loan* loan);

  /// What a lookup found by the name `name` in `parent`, in the same view, with one more lookup.
  /// None if `parent` is gone.
  std::optional<Remembered> remember(NodeId parent, std::string_view name, const Located& located,
                                     FileNode whose, const Loan* loan);

  /// What a file is by now. True if the kernel should forget what it has read of the node: the file
  /// has changed since the node was made, and since this was last true.
  bool note_change(NodeId id, const Found& now);

  /// Has an entry that was just lent, and what leads to it from the path of its rule on, count as
  /// lent for so long. False if it must not be lent, since a recall has begun meanwhile.
  bool lend_for(const KernelEntry& entry, const Loan& loan, std::chrono::seconds lent_for);

  /// Has a folder hold files that are lent by its own lease for that long: until then, remember()
  /// and find() say so, and it must be lent for a short time only. True if it has held such files
  /// for longer than `lease` already: nothing older than that stands any more.
  bool hold_steady(NodeId folder, std::chrono::seconds lease, std::chrono::seconds lent_for);

  struct Forgotten {
    bool gone = false;  ///< the node has gone
    /// So many nodes and names have gone lately that memory might be given back.
    bool much = false;
  };
  /// Takes back `count` lookups (FUSE_FORGET). The cost follows the number of names that go.
  Forgotten forget(NodeId id, std::uint64_t count);

  /// True if an open that found the file `changed` should have the kernel look again: not if the
  /// one before was told so.
  bool look_again(NodeId id, bool changed);

  RecallMark mark() const { return recalls_.load(); }
  void begin_recall() { ++recalls_; }

  /// What is lent along `path`, in every view that has looked it up: a chain for each view, its
  /// door first.
  std::vector<std::vector<LentEntry>> lent_along(const StorePath& path);
  /// The files that are lent in views that are of URIs, whatever path of the store they are at.
  std::vector<LentEntry> lent_files_of_uris();
  /// What is lent in a view, its door and everything below it, folders before what is in them.
  std::vector<LentEntry> lent_in(const View& view);
  /// Has an entry, and all below what it leads to, count as lent no more: the kernel is about to be
  /// told to forget it. What was lent below, folders before what is in them.
  std::vector<KernelEntry> take_back(const LentEntry& top);
  /// Everything that is lent, or was taken back a moment ago, doors first and files last: what lies
  /// below a folder that is forgotten needs no work any more.
  std::vector<KernelEntry> all_lent();
  /// Takes what is listed as expiring at or before `now`, folders before what is in them.
  std::vector<LentEntry> take_expired(Timestamp now);
  /// When the first of what is listed expires.
  Expiry next_expiry();
  /// What is lent with the entry, or below it for so long yet, rests on another decision by now;
  /// the mark does not matter.
  void rest_on(const KernelEntry& entry, const Loan& loan, std::chrono::seconds left);

  /// The roots of all views for servers, but for those of URIs.
  std::vector<NodeId> roots_of_views_for_servers();
  /// The entry that leads to a folder of a view, be it lent (LentEntry::lent) or not (kClosed).
  std::optional<LentEntry> leading_to(NodeId folder);
  /// The entry, if it is lent.
  std::optional<LentEntry> lent_by(const KernelEntry& entry);
  struct LentIn {
    std::vector<LentEntry> files;  ///< that are lent
    std::vector<NodeId> folders;   ///< lent or not
  };
  /// What is in a folder, and not what is below that.
  LentIn lent_directly_in(NodeId folder);
  /// Whether a file has been lent below the name, in a view that is of URIs.
  bool leads_to_uri(NodeId parent, std::string_view name);

  /// The views for servers that there are nodes of, but for those of URIs.
  std::vector<ViewPointer> views_for_servers();

  /// Nodes now, the root and other fixed ones included.
  std::size_t size();

  /// How much was gone over since the start, and the most of it without others having the lock.
  struct Effort {
    std::size_t names = 0;
    std::size_t most_at_once = 0;
  };
  Effort effort() { return tables_.lock()->effort; }

 private:
  /// A name of at most 255 bytes. Wiped when it goes: it may be a token.
  class Name {
   public:
    Name() = default;
    explicit Name(std::string_view text)
        : text_(new char[text.size()]), size_(static_cast<std::uint8_t>(text.size())) {
      std::memcpy(text_.get(), text.data(), text.size());
    }
    ~Name() { sodium_memzero(text_.get(), size_); }
    Name(Name&& other) noexcept
        : text_(std::move(other.text_)), size_(std::exchange(other.size_, 0)) {}
    Name& operator=(Name&& other) noexcept {
      std::swap(text_, other.text_);
      std::swap(size_, other.size_);
      return *this;
    }
    std::string_view view() const { return {text_.get(), size_}; }

   private:
    std::unique_ptr<char[]> text_;  // NOLINT(modernize-avoid-c-arrays): half of a std::string
    std::uint8_t size_ = 0;
  };

  struct Node {
    std::uint64_t lookups = 0;
    Found last{};
    FileHandle handle;
    std::int64_t seen_changed = 0;  ///< by note_change(): Found::changed
    std::int64_t made = 0;          ///< of a file: steady_clock, nanoseconds
    NodeId id = kRootNode;
    std::uint32_t holds_steady_since = 0;  ///< steady_clock, seconds
    std::uint32_t holds_steady_until = 0;
    Slot entry = 0;  ///< first of the entries that lead here
    Slot child = 0;  ///< first of the entries below
    Slot next_by_file = 0;
    NodeKind kind{};
    DoorNumber door = 0;
    bool is_view = false;  ///< a view's root
    bool is_shared = false;
    bool is_current = false;  ///< of a shared one: it is in by_file, others do not come to share it
    bool looks_again = false;
  };

  struct Entry {
    std::int64_t listed_until = 0;  ///< as which it is listed as expiring; Unix seconds
    Name name;
    Slot parent = 0;
    Slot child = 0;
    Slot next_of_child = 0;  ///< next entry that leads to the same node
    Slot previous_of_child = 0;
    Slot next_below = 0;  ///< next entry of the same folder
    Slot previous_below = 0;
    Slot next_by_name = 0;
    std::uint32_t lent_until = 0;  ///< as far as we know; steady_clock, seconds
    std::uint32_t looked_up = 0;   ///< when last; steady_clock, seconds
    Access lent{};                 ///< kClosed: nothing
    bool is_former = false;        ///< the name leads to another node by now
    std::uint8_t streak = 0;       ///< lookups one soon after the other
    bool leads_to_uri = false;     ///< see NodeTable::leads_to_uri()
  };

  class Cursor;
  struct Tables {
    Slab<Node> nodes;
    Slab<Entry> entries;
    SlotIndex by_name;  ///< of entries: folder and name
    SlotIndex by_file;  ///< of shared nodes that are current: which file
    using Views = std::unordered_map<Slot, ViewPointer>;
    Views views;      ///< by their roots, but for those of URIs
    Views uri_views;  ///< as many as anyone cares to make up: never walked through
    std::unordered_set<Slot> uri_files;  ///< entries by which files have been lent in these

    Views& views_like(const View& view) { return view.traits.is_of_uris ? uri_views : views; }
    const ViewPointer& view_at(Slot root) const {
      const auto found = views.find(root);
      return found != views.end() ? found->second : uri_views.at(root);
    }
    std::multimap<Timestamp, KernelEntry> expiring;
    std::uint32_t last_birth = 0;
    std::size_t most = 0;  ///< nodes and entries there were since Forgotten::much last was true
    Cursor* cursors = nullptr;  ///< all there are
    Effort effort;
  };
  using Lock = Sync<Tables, YieldingMutex>::Lock;

  /// The next of the entries of a folder, for who hands the lock on in between: it moves on when
  /// that entry goes. To be made and destroyed under the lock.
  class Cursor {
   public:
    Cursor(Tables& tables, Slot first)
        : at(first), next_(std::exchange(tables.cursors, this)), tables_(tables) {}
    ~Cursor();
    Cursor(const Cursor&) = delete;
    Cursor& operator=(const Cursor&) = delete;

    /// The entry it is at, and on to the one after it; 0 at the end.
    Slot take() { return at == 0 ? 0 : std::exchange(at, tables_.entries[at].next_below); }
    Slot at;

   private:
    friend class NodeTable;
    Cursor* next_;
    Tables& tables_;
  };

  /// Counts what is gone over, and hands the lock on in time.
  class Turns {
   public:
    explicit Turns(Lock& lock) : lock_(lock) {}
    /// Before each name. True if others may have had the lock.
    bool next();

   private:
    Lock& lock_;
    std::size_t names_ = 0;
  };

  struct ByName;
  struct ByFile;

  static NodeId id_of(const Tables& tables, Slot slot) { return tables.nodes[slot].id; }
  /// 0 if there is no such node.
  Slot slot_of(Tables& tables, NodeId id) const;
  Slot make_node(Tables& tables, NodeKind kind);
  /// What a name leads to that is no file or folder of the store.
  struct Own {
    NodeKind kind;
    DoorNumber door = 0;
    ViewPointer view{};
  };
  std::optional<Remembered> remember_own(NodeId parent, std::string_view name, Own own,
                                         const Loan* loan);
  static Slot find_entry(Tables& tables, Slot parent, std::string_view name);
  static Slot make_entry(Tables& tables, Slot parent, std::string_view name, Slot child);
  static void erase_entry(Tables& tables, Slot entry);
  /// Has the name lead to `child` from now on. What it led to keeps an entry, by which its path is
  /// known, for as long as it lives; what was lent was lent by name.
  static Slot replace_entry(Tables& tables, Slot former, Slot child);
  /// Gives back what was needed for what has gone.
  static void shrink(Tables& tables) noexcept;
  /// Removes the node, which has no entries any more.
  static void erase_node(Tables& tables, Slot node) noexcept;
  /// Removes the node, and then those above it, as far as nothing holds them any more.
  static void release(Tables& tables, Slot node) noexcept;
  /// Removes the entries of a forgotten folder that lead to shared nodes.
  void forget_below(Turns& turns, Tables& tables, NodeId folder) const;
  /// The same for a forgotten node that may have many entries.
  void forget_names(Turns& turns, Tables& tables, NodeId node) const;
  class NewNode;
  Remembered count(Tables& tables, Slot entry, Slot node, const Loan* loan);
  bool lend(Tables& tables, Slot entry, const Loan* loan);
  /// Notes a lookup; whether the name is in steady use.
  bool note_use(Entry& entry) const;
  static bool holds_steady(const Node& node);
  /// For how long an answer that leads to the node may be lent; zero: none may.
  std::chrono::nanoseconds fresh_left(const Node& node, const Found& now) const;
  /// The shared node of a file as it is now; one of before is no longer current. 0: none.
  Slot find_shared(Tables& tables, const Found& found, NodeId& before) const;
  static void retire(Tables& tables, Slot node) noexcept;

  /// The names that lead to one of the mount's own folders.
  static std::vector<std::string> way_to(const Tables& tables, Slot node);
  /// The view that a node is in, and its path in the store.
  static std::pair<ViewPointer, StorePath> place_of(Tables& tables, Slot node);
  static bool is_lent(const Entry& entry);
  static void mark_lent(Entry& entry, Access access, std::chrono::seconds lent_for);
  static void rest_on(Tables& tables, Slot entry, const Loan& loan, std::chrono::seconds lent_for);
  static void lead_to_uri(Tables& tables, Slot file);
  enum class Collect { kLeave, kTakeBack };
  /// What add_below() goes through, and what becomes of it.
  struct Below {
    const ViewPointer& view;
    StorePath path;
    Collect collect;
  };
  static void add_below(Turns& turns, Tables& tables, Slot folder, const Below& below,
                        std::vector<LentEntry>& found);
  static LentEntry copy(const Tables& tables, const Entry& entry, const ViewPointer& view,
                        const StorePath& path);
  /// Adds what is lent below, and the view's door before it.
  static void add_view(Turns& turns, Tables& tables, Slot root, const ViewPointer& view,
                       std::vector<LentEntry>& found);
  static KernelEntry key_of(const Tables& tables, const Entry& entry);

  const std::chrono::seconds lent_for_;
  const std::chrono::seconds often_;
  const std::chrono::nanoseconds fresh_for_;
  const NodeIds ids_;
  std::atomic<RecallMark> recalls_{0};
  Sync<Tables, YieldingMutex> tables_;
};

}  // namespace grantfs
