// The multiplicative group of Z_p through a primitive root g: exponentials and discrete logarithms of every unit.
#pragma once

#include <cstdint>

#include "barren/threads.hpp"
#include "barren/view.hpp"

namespace barren {

// out[i] = root^i mod p for i = 0..p-2; out.size must be p-1.
void power_table(std::uint64_t root, std::uint64_t p, Vector<std::int64_t> out, const Execution& execution);

// out[i] = root^(first + i) mod p: a piece of the table, so that p may be too large to keep all of it.
void power_range(std::uint64_t root, std::uint64_t first, std::uint64_t p, Vector<std::int64_t> out,
                 const Execution& execution);

// out[powers[i]] = i and out[0] = -1; out.size must be p. Throws std::invalid_argument if `powers` is not a
// permutation of 1..p-1, which is how a root that is not primitive shows.
void logarithm_table(Vector<const std::int64_t> powers, std::uint64_t p, Vector<std::int64_t> out,
                     const Execution& execution);

}  // namespace barren
