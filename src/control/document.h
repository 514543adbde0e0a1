#pragma once

#include <nlohmann/json.hpp>

namespace grantfs::control {

// How documents are made, so that memory that is short ends no program: none from a list of pairs,
// each of which is an array that goes; and an object begins as json::object(), since what a null
// becomes by operator[] is an object without contents if that fails, which nlohmann asserts is not.

/// Empties a document, allocating nothing. nlohmann's destructor gathers what an object or an array
/// holds in a vector first (json_value::destroy()), and where memory is short that ends the
/// program; of an empty one it does not. Depth of the stack: that of the document.
inline void empty(nlohmann::json& document) noexcept {
  // By pointer: one that memory did not suffice for has the type and nothing else.
  if (auto* object = document.get_ptr<nlohmann::json::object_t*>(); object != nullptr) {
    for (auto& [key, value] : *object) empty(value);
    object->clear();
  } else if (auto* array = document.get_ptr<nlohmann::json::array_t*>(); array != nullptr) {
    for (nlohmann::json& value : *array) empty(value);
    array->clear();
  }
}

/// Empties a document at the end of a scope, however it is left.
class Emptied {
 public:
  explicit Emptied(nlohmann::json& document) : document_(document) {}
  ~Emptied() { empty(document_); }
  Emptied(const Emptied&) = delete;
  Emptied& operator=(const Emptied&) = delete;

 private:
  nlohmann::json& document_;
};

}  // namespace grantfs::control
