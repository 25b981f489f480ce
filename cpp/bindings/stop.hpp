// How a call that has threads of Python's own stops them: the interpreter shows its signals to the main thread only.
#pragma once

#include <atomic>
#include <memory>

#include "barren/errors.hpp"

namespace barren::bindings {

// Raised by the thread that made the call, obeyed by those it started. Each call has its own.
class Stop {
  public:
    void set() { set_.store(true, std::memory_order_relaxed); }
    bool is_set() const { return set_.load(std::memory_order_relaxed); }

  private:
    std::atomic<bool> set_{false};
};

// What the calling thread obeys; null where it looks at the interpreter's signals instead.
inline std::shared_ptr<Stop>& obeyed() {
    thread_local std::shared_ptr<Stop> stop;
    return stop;
}

// Throws Interrupted in a thread whose Stop was set.
inline void checkpoint() {
    if (obeyed() != nullptr && obeyed()->is_set()) throw Interrupted();
}

}  // namespace barren::bindings
