#include "barren/modular.hpp"

#include <algorithm>

#include "barren/errors.hpp"

namespace barren {

std::uint64_t power_mod(std::uint64_t base, std::uint64_t exponent, std::uint64_t modulus) {
    std::uint64_t result = 1 % modulus;
    for (base %= modulus; exponent != 0; exponent >>= 1) {
        if (exponent & 1) result = multiply_mod(result, base, modulus);
        base = multiply_mod(base, base, modulus);
    }
    return result;
}

void powers(std::uint64_t base, Vector<const std::int64_t> exponents, std::uint64_t modulus, Vector<std::int64_t> out,
            const Execution& execution) {
    require(modulus >= 1 && modulus < modulus_limit, "modulus must be in 1..2^63-1");
    require(out.size == exponents.size, "out must have one entry an exponent");
    for (std::size_t i = 0; i < exponents.size; ++i) require(exponents[i] >= 0, "exponents must not be negative");
    constexpr std::size_t block = 4096;
    parallel_for((exponents.size + block - 1) / block, execution, [&](std::size_t task, int, Progress&) {
        const std::size_t end = std::min(exponents.size, (task + 1) * block);
        for (std::size_t i = task * block; i < end; ++i)
            out[i] = static_cast<std::int64_t>(power_mod(base, static_cast<std::uint64_t>(exponents[i]), modulus));
    });
}

}  // namespace barren
