#include "audit/event_queue.h"

#include <array>
#include <bit>
#include <cstring>

namespace grantfs {
namespace {

constexpr std::size_t kTexts = 7;

/// The texts of an event, in the order in which they are copied.
template <class Event>
auto texts_of(Event& event) {
  return std::array{&event.label,  &event.door, &event.principal, &event.key,
                    &event.folder, &event.name, &event.details};
}

/// What stands before the texts of an event.
struct Header {
  AuditEvent event;  ///< its texts lead nowhere
  std::array<std::size_t, kTexts> sizes{};
};

}  // namespace

EventQueue::EventQueue(std::size_t bytes) : bytes_(bytes) {
  filling_.lock()->reserve(bytes);
  read_.reserve(bytes);
}

EventQueue::Put EventQueue::put(const AuditEvent& event) noexcept {
  Header header{.event = event};
  std::size_t size = sizeof header;
  const auto texts = texts_of(event);
  for (std::size_t i = 0; i < kTexts; ++i) size += header.sizes[i] = texts[i]->size();
  for (std::string_view* const text : texts_of(header.event)) *text = {};
  const bool may_be_many =
      event.what == AuditEvent::What::kRefused || event.what == AuditEvent::What::kChange;
  const std::size_t most = may_be_many ? bytes_ / 2 : bytes_;

  auto filling = filling_.lock();
  const bool is_first = filling->empty();
  if (filling->size() + size > most) return Put::kNoRoom;
  filling->append(reinterpret_cast<const char*>(&header), sizeof header);
  for (const std::string_view* const text : texts) filling->append(*text);
  return is_first ? Put::kFirst : Put::kMore;
}

void EventQueue::swap() {
  filling_.lock()->swap(read_);
}

AuditEvent EventQueue::next(std::size_t& at) const {
  std::array<char, sizeof(Header)> bytes{};
  std::memcpy(bytes.data(), read_.data() + at, bytes.size());
  at += bytes.size();
  auto header = std::bit_cast<Header>(bytes);
  const auto texts = texts_of(header.event);
  for (std::size_t i = 0; i < kTexts; ++i) {
    *texts[i] = std::string_view(read_).substr(at, header.sizes[i]);
    at += header.sizes[i];
  }
  return header.event;
}

}  // namespace grantfs
