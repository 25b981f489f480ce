// ψ on residues t = 0..m-1, either as a formula or as a table of m numbers. The formulas are those of
// python/barren/targets/.
#pragma once

#include <cmath>
#include <cstdint>
#include <string>

#include "barren/errors.hpp"
#include "barren/modular.hpp"
#include "barren/view.hpp"

namespace barren {

enum class Formula { table, sawtooth, cosine, bit, threshold, square, triangle };

// Throws std::invalid_argument for a name that is not one of the above.
Formula formula_of(const std::string& name);

template <class T>
struct Target {
    Formula formula = Formula::table;
    std::uint64_t parameter = 0;  // cosine: k; bit: j; threshold: the cut, first t with ψ = 1
    Vector<const T> table;        // when not empty it is used whatever the formula
    double shift = 0.0;           // taken off ψ where it is computed by its formula, not off a table
};

// 2t − m, taken in integers so that no digit is lost before the one rounding to float64.
inline double twice_centred(std::uint64_t t, std::uint64_t modulus) {
    return double(static_cast<std::int64_t>(t) - static_cast<std::int64_t>(modulus - t));
}

template <class T>
void check(const Target<T>& target, std::uint64_t modulus) {
    require(modulus >= 1 && modulus < modulus_limit, "modulus must be in 1..2^63-1");
    require(std::isfinite(target.shift), "shift must be finite");
    const bool tabled = target.table.size != 0;
    require(!tabled || target.table.size == modulus, "table must have one entry a residue");
    require(tabled || target.formula != Formula::table, "the formula 'table' needs a table");
    require(target.formula != Formula::bit || target.parameter < 63, "bit must be below 63");
}

// Calls visitor(psi), psi a function of the residue, so that the choice of formula is made outside the loop.
template <class T, class Visitor>
void visit(const Target<T>& target, std::uint64_t modulus, Visitor&& visitor) {
    const double m = static_cast<double>(modulus);
    const std::uint64_t k = target.parameter;
    if (target.table.size != 0) return visitor([table = target.table](std::uint64_t t) { return double(table[t]); });
    switch (target.formula) {
        case Formula::table:
            break;  // check() has refused a table formula without a table
        case Formula::sawtooth:
            return visitor(
                [m, modulus](std::uint64_t t) { return t == 0 ? 0.0 : twice_centred(t, modulus) / (2.0 * m); });
        case Formula::cosine: {
            // sin of the distance to a quarter turn: accurate to an ulp or two also where the cosine is small.
            constexpr double half_pi = 1.5707963267948966192313216916398;
            const FixedMultiplier times_k(k % modulus, modulus);
            return visitor([m, modulus, times_k](std::uint64_t t) {
                const std::uint64_t r = times_k(t), folded = r < modulus - r ? r : modulus - r;
                const auto quarter_turns =
                    static_cast<std::int64_t>(modulus - 2 * folded) - static_cast<std::int64_t>(2 * folded);
                return std::sin(half_pi * (double(quarter_turns) / m));
            });
        }
        case Formula::bit:
            return visitor([k](std::uint64_t t) { return double((t >> k) & 1); });
        case Formula::threshold:
            return visitor([k](std::uint64_t t) { return t >= k ? 1.0 : 0.0; });
        case Formula::square:
            return visitor([modulus](std::uint64_t t) {
                if (t == 0 || 2 * t == modulus) return 0.0;
                return 2 * t < modulus ? 1.0 : -1.0;
            });
        case Formula::triangle:
            return visitor(
                [m, modulus](std::uint64_t t) { return 2.0 * std::abs(twice_centred(t, modulus)) / m - 1.0; });
    }
}

}  // namespace barren
