#include "barren/modular.hpp"

#include <algorithm>
#include <vector>

#include "barren/errors.hpp"
#include "blocks.hpp"

namespace barren {

std::uint64_t power_mod(std::uint64_t base, std::uint64_t exponent, std::uint64_t modulus) {
    std::uint64_t result = 1 % modulus;
    for (base %= modulus; exponent != 0; exponent >>= 1) {
        if (exponent & 1) result = multiply_mod(result, base, modulus);
        base = multiply_mod(base, base, modulus);
    }
    return result;
}

namespace {

// base^e from one factor for each byte of e, each with its quotient: eight products without a division at most.
class Bytewise {
  public:
    Bytewise(std::uint64_t base, std::uint64_t modulus, int bytes) : one_(1 % modulus) {
        base %= modulus;
        for (int k = 0; k < bytes; ++k) {
            std::uint64_t power = one_;
            for (int digit = 0; digit < digits; ++digit) {
                factors_.emplace_back(power, modulus);
                power = multiply_mod(power, base, modulus);
            }
            base = power;
        }
    }

    std::uint64_t operator()(std::uint64_t exponent) const {
        std::uint64_t result = one_;
        for (const FixedMultiplier* row = factors_.data(); exponent != 0; exponent >>= 8, row += digits)
            result = row[exponent % digits](result);
        return result;
    }

  private:
    static constexpr int digits = 256;
    std::uint64_t one_;
    std::vector<FixedMultiplier> factors_;
};

}  // namespace

void powers(std::uint64_t base, Vector<const std::int64_t> exponents, std::uint64_t modulus, Vector<std::int64_t> out,
            const Execution& execution) {
    require(modulus >= 1 && modulus < modulus_limit, "modulus must be in 1..2^63-1");
    require(out.size == exponents.size, "out must have one entry an exponent");
    std::uint64_t bits = 0;  // of all exponents together
    serial_for(exponents.size, execution, [&](std::size_t i) {
        require(exponents[i] >= 0, "exponents must not be negative");
        bits |= static_cast<std::uint64_t>(exponents[i]);
    });
    int bytes = 0;
    for (; bits != 0; bits >>= 8) ++bytes;
    constexpr std::size_t block = 4096;  // as many as make the table of factors pay
    const bool tabled = exponents.size >= block;
    const Bytewise power(base, modulus, tabled ? bytes : 0);
    parallel_for(divide_up(exponents.size, block), execution, [&](std::size_t task, int, Progress&) {
        const std::size_t end = std::min(exponents.size, (task + 1) * block);
        for (std::size_t i = task * block; i < end; ++i) {
            const auto exponent = static_cast<std::uint64_t>(exponents[i]);
            out[i] = static_cast<std::int64_t>(tabled ? power(exponent) : power_mod(base, exponent, modulus));
        }
    });
}

}  // namespace barren
