#include "barren/dedekind.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <stdexcept>
#include <string>
#include <utility>

#include "barren/dispatch.hpp"
#include "barren/errors.hpp"
#include "barren/modular.hpp"

namespace barren {
namespace {

using Wide = __int128;
using UnsignedWide = unsigned __int128;

constexpr std::size_t block = 512;
// Nanoseconds that were measured for a sum at k near 2^62, without and with shifts, and for the value of a sawtooth.
constexpr double unshifted_cost = 17.0, shifted_cost = 230.0, sawtooth_cost = 3.0;
// Below this the kernels need no more digits than a double has.
constexpr std::uint64_t narrow_limit = std::uint64_t{1} << 52;

// Rationals with the denominator k < 2^63, each rounded once to the nearest double, ties to even.
class Rounding {
  public:
    explicit Rounding(std::uint64_t k)
        : down_(__builtin_clzll(k)),
          divisor_(k << down_),
          reciprocal_(static_cast<std::uint64_t>(~UnsignedWide{0} / divisor_)) {}

    // n/k for |n| < k·2^63: 61 bits or more of the quotient, the last of which also says whether there is a remainder.
    double operator()(Wide n) const {
        if (n == 0) return 0.0;
        // Signs and corrections are random, so masks in place of branches.
        const auto sign = static_cast<UnsignedWide>(n >> 127);
        const UnsignedWide size = (static_cast<UnsignedWide>(n) ^ sign) - sign;
        const auto high = static_cast<std::uint64_t>(size >> 64);
        const int up = high != 0 ? __builtin_clzll(high) : 64 + __builtin_clzll(static_cast<std::uint64_t>(size));
        const UnsignedWide dividend = (size << up) >> 2;
        auto [quotient, rest] = divide(dividend);
        const auto digits = static_cast<std::int64_t>(quotient | std::uint64_t{rest != 0});
        const auto negative = static_cast<std::int64_t>(sign);
        return static_cast<double>((digits ^ negative) - negative) * power_of_two(2 - up + down_);
    }

  private:
    // Division by a divisor of 64 bits whose reciprocal ⌊(2^128 − 1)/d⌋ − 2^64 is known (Möller and Granlund 2011,
    // algorithm 4); the high word of the dividend is below d.
    std::pair<std::uint64_t, std::uint64_t> divide(UnsignedWide n) const {
        const auto high = static_cast<std::uint64_t>(n >> 64), low = static_cast<std::uint64_t>(n);
        const UnsignedWide estimate = static_cast<UnsignedWide>(reciprocal_) * high + n;
        auto quotient = static_cast<std::uint64_t>(estimate >> 64) + 1;
        std::uint64_t rest = low - quotient * divisor_;
        const std::uint64_t over = -std::uint64_t{rest > static_cast<std::uint64_t>(estimate)};
        quotient += over;
        rest += divisor_ & over;
        const std::uint64_t under = -std::uint64_t{rest >= divisor_};
        quotient -= under;
        rest -= divisor_ & under;
        return {quotient, rest};
    }

    static double power_of_two(int exponent) {
        const auto digits = static_cast<std::uint64_t>(exponent + 1023) << 52;
        double value;
        std::memcpy(&value, &digits, sizeof value);
        return value;
    }

    int down_;
    std::uint64_t divisor_, reciprocal_;
};

// What Euclid's algorithm on p_1 = k, p_2 = h leaves. With p_j = a_j·p_{j+1} + p_{j+2}, c_j = b_j·p_{j+1} + c_{j+1} and
// v_{j+2} = v_j + a_j·v_{j+1} from v_1 = 0, v_2 = 1, a unit h in t steps has
//   k·σ(h,k,c) = h + (−1)^{t+1}·v_{t+1} + k·Σ_j (−1)^{j+1}(a_j − 6b_j − 3e_j) + 6·Σ_j (−1)^{j+1}·v_{j+1}·b_j·(c_j +
//   c_{j+1}),
// an integer below k² < 2^126, so sums are taken modulo 2^128 (docs/theory, section 2).
struct Chain {
    std::uint64_t divisor;  // gcd(h, k); the rest is for 1
    std::uint64_t inverse;  // of h modulo k
    Wide numerator;         // k·σ(h,k,c)
};

template <bool Shifted>
Chain chain(std::uint64_t h, std::uint64_t k, std::uint64_t c) {
    std::uint64_t p = k, q = h, before = 0, factor = 1;
    std::int64_t wholes = 0;  // ±a_j: their sum is below 2^63 in size
    Wide jumps = 0;           // ±(2b_j + e_j)
    UnsignedWide squares = 0;
    std::int64_t sign = 1;
    while (q != 0) {
        const std::uint64_t a = p / q, rest = p - a * q;
        wholes += sign * static_cast<std::int64_t>(a);
        if constexpr (Shifted) {
            const std::uint64_t b = c / q, left = c - b * q;
            const bool edge = c == 0 || left != 0;
            jumps += sign * (2 * static_cast<Wide>(b) + edge);
            const UnsignedWide square = static_cast<UnsignedWide>(factor * b) * (c + left);
            squares += sign > 0 ? square : -square;
            c = left;
        }
        const std::uint64_t after = before + a * factor;
        before = factor;
        factor = after;
        p = q;
        q = rest;
        sign = -sign;
    }
    if (!Shifted) jumps = sign < 0;  // e_j = 1 in every step
    const UnsignedWide last = sign < 0 ? UnsignedWide{before} : -UnsignedWide{before};
    const auto numerator = h + last + static_cast<UnsignedWide>(wholes - 3 * jumps) * k + 6 * squares;
    return {p, sign < 0 ? before : k - before, static_cast<Wide>(numerator)};
}

double sum(std::uint64_t h, std::uint64_t k, std::uint64_t c, const Rounding& over_k) {
    Chain found = c == 0 ? chain<false>(h, k, 0) : chain<true>(h, k, c);
    const std::uint64_t d = found.divisor;
    if (d == 1) return over_k(found.numerator);
    // j and j + k/d see the same (hj + c)/k, and ((j/k)) summed over them is ((j/(k/d))): a sum modulo k/d. A rest of c
    // modulo d moves its only jump off an integer, by half.
    k /= d;
    found = chain<true>(h / d, k, c / d);
    Wide numerator = found.numerator;
    if (c % d != 0) {
        const std::uint64_t jump = multiply_mod(k - c / d, found.inverse % k, k);
        if (jump != 0) numerator += 3 * static_cast<Wide>(k) - 6 * static_cast<Wide>(jump);
    }
    return Rounding(k)(numerator);
}

DedekindModulus with_inverse(std::uint64_t k) {
    int exponent;
    const double inverse = 1.0 / static_cast<double>(k);
    const auto digits = static_cast<std::uint64_t>(std::ldexp(std::frexp(inverse, &exponent), 53));
    // 1 − k·inverse in units of 2^(exponent − 53), without an error.
    const auto left = static_cast<Wide>((UnsignedWide{1} << (53 - exponent)) - static_cast<UnsignedWide>(digits) * k);
    return {k, inverse, std::ldexp(static_cast<double>(left), exponent - 53) / static_cast<double>(k)};
}

// σ(h[i], k, 0) for i < count; h is padded to whole groups.
void unshifted_sums(std::array<std::uint64_t, block>& h, std::size_t count, const DedekindModulus& modulus,
                    const Rounding& over_k, double* out) {
    const std::uint64_t k = modulus.k;
    const auto several = k < narrow_limit ? kernels().dedekind_narrow : kernels().dedekind_wide;
    const std::size_t padded = (count + euclids - 1) / euclids * euclids;
    for (std::size_t i = count; i < padded; ++i) h[i] = 0;
    std::array<double, block> sums;
    several(modulus, h.data(), padded, sums.data());
    for (std::size_t i = 0; i < count; ++i) out[i] = std::isnan(sums[i]) ? sum(h[i], k, 0, over_k) : sums[i];
}

void shifted_sums(const std::array<std::uint64_t, block>& h, const std::array<std::uint64_t, block>& c,
                  std::size_t count, std::uint64_t k, const Rounding& over_k, double* out) {
    for (std::size_t i = 0; i < count; ++i) out[i] = sum(h[i], k, c[i], over_k);
}

void check_modulus(std::uint64_t k) { require(k >= 1 && k < modulus_limit, "k must be in 1..2^63-1"); }

// values[first..first + count − 1] as residues, and no message built but where one is needed.
void take(Vector<const std::int64_t> values, std::size_t first, std::size_t count, std::uint64_t k, const char* name,
          std::array<std::uint64_t, block>& residues) {
    bool inside = true;
    for (std::size_t i = 0; i < count; ++i) {
        residues[i] = static_cast<std::uint64_t>(values[first + i]);  // a negative one is large
        inside = inside && residues[i] < k;
    }
    if (!inside) throw std::invalid_argument(std::string(name) + " must lie in 0..k-1");
}

// work(r, count, values) for each block of r = inverses[i]·columns[j] mod k, and where its values belong; cost of one.
template <class Work>
void for_ratios(Vector<const std::int64_t> inverses, Vector<const std::int64_t> columns, std::uint64_t k,
                Matrix<double> out, const Execution& execution, double cost, const Work& work) {
    require(out.rows == inverses.size && out.columns == columns.size,
            "out must have a row for each inverse and a column for each column");
    for (std::size_t i = 0; i < inverses.size; ++i)
        if (static_cast<std::uint64_t>(inverses[i]) >= k) throw std::invalid_argument("inverses must lie in 0..k-1");
    const std::size_t across = (columns.size + block - 1) / block;
    const Execution how = worth(execution, cost * static_cast<double>(inverses.size * columns.size));
    parallel_for(inverses.size * across, how, [&](std::size_t task, int, Progress&) {
        const std::size_t row = task / across, first = task % across * block;
        const std::size_t count = std::min(block, columns.size - first);
        const FixedMultiplier times_inverse(static_cast<std::uint64_t>(inverses[row]), k);
        std::array<std::uint64_t, block> ratios;
        take(columns, first, count, k, "columns", ratios);
        for (std::size_t i = 0; i < count; ++i) ratios[i] = times_inverse(ratios[i]);
        work(ratios, count, out.row(row) + first);
    });
}

}  // namespace

void dedekind_sums(Vector<const std::int64_t> h, Vector<const std::int64_t> c, std::uint64_t k, Vector<double> out,
                   const Execution& execution) {
    check_modulus(k);
    const Rounding over_k(k);
    const DedekindModulus modulus = with_inverse(k);
    require(out.size == h.size, "out must have one entry for each h");
    require(c.size == 0 || c.size == h.size, "c must be empty or have one entry for each h");
    const double cost = c.size == 0 ? unshifted_cost : shifted_cost;
    const Execution how = worth(execution, cost * static_cast<double>(h.size));
    parallel_for((h.size + block - 1) / block, how, [&](std::size_t task, int, Progress&) {
        const std::size_t first = task * block, count = std::min(block, h.size - first);
        std::array<std::uint64_t, block> at, shifts;
        take(h, first, count, k, "h", at);
        if (c.size == 0) return unshifted_sums(at, count, modulus, over_k, out.data + first);
        take(c, first, count, k, "c", shifts);
        shifted_sums(at, shifts, count, k, over_k, out.data + first);
    });
}

void dedekind_ratios(Vector<const std::int64_t> inverses, Vector<const std::int64_t> columns, std::uint64_t k,
                     std::uint64_t a, std::uint64_t b, Matrix<double> out, const Execution& execution) {
    check_modulus(k);
    require(a < k && b < k, "shifts must lie in 0..k-1");
    const Rounding over_k(k);
    const DedekindModulus modulus = with_inverse(k);
    const FixedMultiplier times_a(a, k);
    const double cost = a == 0 && b == 0 ? unshifted_cost : shifted_cost;
    for_ratios(inverses, columns, k, out, execution, cost,
               [&](std::array<std::uint64_t, block>& ratios, std::size_t count, double* values) {
                   if (a == 0 && b == 0) return unshifted_sums(ratios, count, modulus, over_k, values);
                   std::array<std::uint64_t, block> shifts;
                   for (std::size_t i = 0; i < count; ++i) {
                       const std::uint64_t moved = times_a(ratios[i]);
                       shifts[i] = b >= moved ? b - moved : b + (k - moved);
                   }
                   shifted_sums(ratios, shifts, count, k, over_k, values);
               });
}

void sawtooth_ratios(Vector<const std::int64_t> inverses, Vector<const std::int64_t> columns, std::uint64_t k,
                     std::uint64_t shift, Matrix<double> out, const Execution& execution) {
    check_modulus(k);
    require(shift < k, "shift must lie in 0..k-1");
    for_ratios(inverses, columns, k, out, execution, sawtooth_cost,
               [&](const std::array<std::uint64_t, block>& ratios, std::size_t count, double* values) {
                   for (std::size_t i = 0; i < count; ++i) {
                       const std::uint64_t place = ratios[i] >= k - shift ? ratios[i] - (k - shift) : ratios[i] + shift;
                       const auto twice_centred = static_cast<std::int64_t>(place - (k - place));  // 2·place − k, exact
                       values[i] =
                           place == 0 ? 0.0 : static_cast<double>(twice_centred) / (2.0 * static_cast<double>(k));
                   }
               });
}

}  // namespace barren
