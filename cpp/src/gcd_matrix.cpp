#include "barren/gcd_matrix.hpp"

#include <algorithm>
#include <vector>

#include "barren/errors.hpp"

namespace barren {
namespace {

constexpr std::size_t block = std::size_t{1} << 16;  // entries a task: fewer are not worth waking threads

void check(std::size_t size, Vector<const std::int64_t> primes) {
    std::int64_t last = 1;
    for (std::size_t k = 0; k < primes.size; ++k) {
        require(primes[k] > last && static_cast<std::uint64_t>(primes[k]) <= size,
                "primes must increase and lie in 2..A");
        last = primes[k];
    }
}

// each(first, last) for pieces of low..high-1; an entry is written by one piece alone.
template <class Each>
void pieces(std::size_t low, std::size_t high, const Execution& execution, const Each& each) {
    const std::size_t count = high - low;
    if (count <= block) {
        each(low, high);
        return;
    }
    parallel_for((count + block - 1) / block, execution, [&](std::size_t task, int, Progress&) {
        each(low + task * block, std::min(high, low + (task + 1) * block));
    });
}

// The i with q·i ≤ A in ranges (A/q^{k+1}, A/q^k], from the outermost in: within one, no entry that is read is written.
std::vector<std::size_t> levels(std::size_t size, std::size_t q) {
    std::vector<std::size_t> ends;
    for (std::size_t end = size / q; end > 0; end /= q) ends.push_back(end);
    ends.push_back(0);
    return ends;
}

// The first prime whose square is above A. For these no q·i is read or written by another one, so that they need no
// order between them.
std::size_t first_large(std::size_t size, Vector<const std::int64_t> primes) {
    std::size_t k = 0;
    while (k < primes.size && static_cast<std::size_t>(primes[k]) <= size / static_cast<std::size_t>(primes[k])) ++k;
    return k;
}

}  // namespace

void sum_over_multiples(Vector<double> values, Vector<const std::int64_t> primes, const Execution& execution) {
    const std::size_t size = values.size;
    check(size, primes);
    double* const at = values.data - 1;  // at[n] for n = 1..A
    Progress progress(execution);
    const std::size_t large = first_large(size, primes);
    for (std::size_t k = 0; k < large; ++k) {
        progress.checkpoint(0);
        const auto q = static_cast<std::size_t>(primes[k]);
        const auto ends = levels(size, q);
        for (std::size_t level = 0; level + 1 < ends.size(); ++level)
            pieces(ends[level + 1] + 1, ends[level] + 1, execution, [&](std::size_t first, std::size_t last) {
                for (std::size_t i = first; i < last; ++i) at[i] += at[q * i];
            });
    }
    if (large == primes.size) return;
    // Entry i takes from q·i for every large q ≤ A/i, in the order of the primes.
    const auto least = static_cast<std::size_t>(primes[large]);
    parallel_for(size / least, execution, [&](std::size_t task, int, Progress&) {
        const std::size_t i = task + 1;
        double sum = at[i];
        for (std::size_t k = large; k < primes.size && static_cast<std::size_t>(primes[k]) <= size / i; ++k)
            sum += at[static_cast<std::size_t>(primes[k]) * i];
        at[i] = sum;
    });
}

void sum_over_divisors(Vector<double> values, Vector<const std::int64_t> primes, const Execution& execution) {
    const std::size_t size = values.size;
    check(size, primes);
    double* const at = values.data - 1;
    Progress progress(execution);
    const std::size_t large = first_large(size, primes);
    for (std::size_t k = 0; k < large; ++k) {
        progress.checkpoint(0);
        const auto q = static_cast<std::size_t>(primes[k]);
        const auto ends = levels(size, q);
        for (std::size_t level = ends.size() - 1; level > 0; --level)
            pieces(ends[level] + 1, ends[level - 1] + 1, execution, [&](std::size_t first, std::size_t last) {
                for (std::size_t i = first; i < last; ++i) at[q * i] += at[i];
            });
    }
    pieces(large, primes.size, execution, [&](std::size_t first, std::size_t last) {
        for (std::size_t k = first; k < last; ++k) {
            const auto q = static_cast<std::size_t>(primes[k]);
            for (std::size_t i = 1; i <= size / q; ++i) at[q * i] += at[i];
        }
    });
}

void gcd_product(Vector<const double> v, Vector<const double> weights, Vector<const std::int64_t> primes,
                 Vector<double> out, const Execution& execution) {
    require(v.size == weights.size && v.size == out.size, "v, weights and out must have A entries each");
    std::copy(v.data, v.data + v.size, out.data);
    sum_over_multiples(out, primes, execution);
    for (std::size_t i = 0; i < out.size; ++i) out[i] *= weights[i];
    sum_over_divisors(out, primes, execution);
}

}  // namespace barren
