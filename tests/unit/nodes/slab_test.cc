#include "nodes/slab.h"
#include "nodes/slot_index.h"

#include <gtest/gtest.h>

#include <vector>

namespace grantfs {
namespace {

struct Item {
  Slot next = 0;
  std::size_t hash = 0;
};

struct OfItems {
  Slab<Item>& items;
  Slot& link(Slot slot) const { return items[slot].next; }
  std::size_t hash(Slot slot) const { return items[slot].hash; }
};

class SlabDeathTest : public testing::Test {
 protected:
  SlabDeathTest() {
#ifdef NDEBUG
    skips_ = true;
#endif
    GTEST_FLAG_SET(death_test_style, "threadsafe");
  }
  void SetUp() override {
    if (skips_) GTEST_SKIP() << "this build has no assert()";
  }

  Slot make(std::size_t hash) {
    const Slot slot = items_.make();
    items_[slot].hash = hash;
    return slot;
  }

  bool skips_ = false;
  Slab<Item> items_;
  SlotIndex index_;
};

TEST_F(SlabDeathTest, AnItemThatIsNotThereIsNotReached) {
  const Slot gone = items_.make();
  const Slot there = items_.make();
  items_.erase(gone);
  items_[there].hash = 1;
  for (const Slot slot : {Slot{0}, gone, there + 1, Slot{100'000}}) {
    EXPECT_DEATH(items_[slot].hash = 1, "holds") << slot;
    EXPECT_DEATH(items_.erase(slot), "holds") << slot;
  }
  items_.erase(there);
  EXPECT_DEATH(items_[there].hash = 1, "holds") << "its chunk is gone";
}

TEST_F(SlabDeathTest, WhatIsInNoIndexIsNotErasedFromIt) {
  const Slot in = make(7);
  const Slot other = make(7);
  EXPECT_DEATH(index_.erase(in, OfItems{items_}), "size_ > 0");
  index_.insert(in, OfItems{items_});
  EXPECT_DEATH(index_.erase(other, OfItems{items_}), "at != 0");
  index_.insert(other, OfItems{items_});
  index_.erase(in, OfItems{items_});
  EXPECT_DEATH(index_.erase(in, OfItems{items_}), "at != 0");
}

TEST_F(SlabDeathTest, WhatIsInAnIndexIsNotInsertedAgain) {
  const Slot first = make(7);
  const Slot second = make(7);
  index_.insert(first, OfItems{items_});
  index_.insert(second, OfItems{items_});
  EXPECT_DEATH(index_.insert(second, OfItems{items_}), "link");
}

}  // namespace
}  // namespace grantfs
