// Arithmetic modulo any m < 2^63.
#pragma once

#include <cstdint>

#include "barren/threads.hpp"
#include "barren/view.hpp"

namespace barren {

constexpr std::uint64_t modulus_limit = std::uint64_t{1} << 63;

inline std::uint64_t multiply_mod(std::uint64_t x, std::uint64_t y, std::uint64_t modulus) {
    return static_cast<std::uint64_t>(static_cast<unsigned __int128>(x) * y % modulus);
}

// base^exponent mod modulus by repeated squaring.
std::uint64_t power_mod(std::uint64_t base, std::uint64_t exponent, std::uint64_t modulus);

// Multiplication by one fixed a modulo m without a division (Barrett's reduction with Shoup's precomputed quotient):
// with q = ⌊a·2^64/m⌋, the difference a·x − ⌊q·x/2^64⌋·m lies in [0, 2m) for every x < 2^64, and 2m fits since m <
// 2^63.
class FixedMultiplier {
  public:
    FixedMultiplier() = default;
    FixedMultiplier(std::uint64_t a, std::uint64_t modulus)
        : a_(a),
          quotient_(static_cast<std::uint64_t>((static_cast<unsigned __int128>(a) << 64) / modulus)),
          modulus_(modulus) {}

    std::uint64_t operator()(std::uint64_t x) const {
        const auto q = static_cast<std::uint64_t>((static_cast<unsigned __int128>(quotient_) * x) >> 64);
        const std::uint64_t r = a_ * x - q * modulus_;
        return r >= modulus_ ? r - modulus_ : r;
    }

  private:
    std::uint64_t a_ = 0, quotient_ = 0, modulus_ = 1;
};

// out[i] = base^exponents[i] mod modulus. Exponents are not negative.
void powers(std::uint64_t base, Vector<const std::int64_t> exponents, std::uint64_t modulus, Vector<std::int64_t> out,
            const Execution& execution);

}  // namespace barren
