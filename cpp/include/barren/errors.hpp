// What the core throws besides the standard exceptions: std::invalid_argument becomes ValueError, std::bad_alloc
// MemoryError.
#pragma once

#include <exception>
#include <stdexcept>
#include <string>

namespace barren {

// The caller's poll asked for a stop (Ctrl-C in Python).
struct Interrupted : std::exception {
    const char* what() const noexcept override { return "interrupted"; }
};

inline void require(bool condition, const std::string& message) {
    if (!condition) throw std::invalid_argument(message);
}

}  // namespace barren
