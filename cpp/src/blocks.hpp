// How points are cut into blocks, and whether they follow one another. No part of the core's surface.
#pragma once

#include <cstddef>
#include <cstdint>

#include "barren/view.hpp"

namespace barren {

inline std::size_t divide_up(std::size_t x, std::size_t y) { return (x + y - 1) / y; }

inline bool consecutive(Vector<const std::int64_t> points) {
    for (std::size_t i = 1; i < points.size; ++i)
        if (points[i] != points[i - 1] + 1) return false;
    return true;
}

}  // namespace barren
