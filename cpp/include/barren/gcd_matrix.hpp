// Products by the matrix [f(gcd(a, b))] over a, b = 1..A, which is never formed (docs/theory, section 4.3). If
// f(n) = Σ_{d | n} w(d), then f(gcd(a, b)) = Σ_{d | a, d | b} w(d): a sum over multiples, a weight, a sum over
// divisors.
#pragma once

#include <cstdint>

#include "barren/threads.hpp"
#include "barren/view.hpp"

namespace barren {

// values[n-1] <- Σ_{k ≥ 1, kn ≤ A} values[kn-1] for n = 1..A = values.size, in place. `primes` are those up to A, in
// increasing order: a prime at a time, values[i] += values[q·i] from the largest i down, O(A log log A) additions.
void sum_over_multiples(Vector<double> values, Vector<const std::int64_t> primes, const Execution& execution);

// values[n-1] <- Σ_{d | n} values[d-1], in place: the transpose.
void sum_over_divisors(Vector<double> values, Vector<const std::int64_t> primes, const Execution& execution);

// out[a-1] = Σ_b f(gcd(a, b))·v[b-1] with f(n) = Σ_{d | n} weights[d-1]. All three have A entries; out is not v.
void gcd_product(Vector<const double> v, Vector<const double> weights, Vector<const std::int64_t> primes,
                 Vector<double> out, const Execution& execution);

}  // namespace barren
