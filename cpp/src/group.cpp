#include "barren/group.hpp"

#include <algorithm>

#include "barren/errors.hpp"
#include "barren/modular.hpp"
#include "blocks.hpp"

namespace barren {

void power_table(std::uint64_t root, std::uint64_t p, Vector<std::int64_t> out, const Execution& execution) {
    require(out.size == p - 1, "out must have p-1 entries");
    power_range(root, 0, p, out, execution);
}

void power_range(std::uint64_t root, std::uint64_t first, std::uint64_t p, Vector<std::int64_t> out,
                 const Execution& execution) {
    require(p >= 2 && p < modulus_limit, "p must be in 2..2^63-1");
    require(root < p, "root must be below p");
    require(first < modulus_limit && out.size < modulus_limit, "exponents must be below 2^64");
    constexpr std::size_t block = std::size_t{1} << 16;
    const FixedMultiplier times_root(root, p);
    parallel_for(divide_up(out.size, block), execution, [&](std::size_t task, int, Progress&) {
        const std::size_t end = std::min(out.size, (task + 1) * block);
        std::uint64_t value = power_mod(root, first + task * block, p);
        for (std::size_t i = task * block; i < end; ++i) {
            out[i] = static_cast<std::int64_t>(value);
            value = times_root(value);
        }
    });
}

void logarithm_table(Vector<const std::int64_t> powers, std::uint64_t p, Vector<std::int64_t> out,
                     const Execution& execution) {
    require(p >= 2 && p < modulus_limit, "p must be in 2..2^63-1");
    require(powers.size == p - 1, "powers must have p-1 entries");
    require(out.size == p, "out must have p entries");
    std::fill(out.data, out.data + out.size, std::int64_t{-1});
    serial_for(powers.size, execution, [&](std::size_t i) {
        const std::int64_t value = powers[i];
        require(value >= 1 && static_cast<std::uint64_t>(value) < p, "powers must lie in 1..p-1");
        require(out[static_cast<std::size_t>(value)] < 0, "powers repeat a value: the root is not primitive modulo p");
        out[static_cast<std::size_t>(value)] = static_cast<std::int64_t>(i);
    });
}

}  // namespace barren
