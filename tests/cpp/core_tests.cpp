// Tests of the core without Python: identities against 128-bit arithmetic and plain loops. Exits 1 at the first
// failure.
#include <atomic>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <random>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "barren/dedekind.hpp"
#include "barren/dispatch.hpp"
#include "barren/errors.hpp"
#include "barren/gcd_matrix.hpp"
#include "barren/group.hpp"
#include "barren/modular.hpp"
#include "barren/pairing.hpp"
#include "barren/parity.hpp"
#include "barren/responses.hpp"
#include "barren/threads.hpp"

namespace {

int checks = 0;

void expect(bool condition, const char* what) {
    ++checks;
    if (condition) return;
    std::printf("FAILED: %s\n", what);
    std::exit(1);
}

template <class Error, class Call>
void expect_throw(Call&& call, const char* what) {
    try {
        call();
    } catch (const Error&) {
        expect(true, what);
        return;
    }
    expect(false, what);
}

barren::Execution with(int threads) { return {threads, nullptr}; }

template <class T>
barren::Vector<const T> view(const std::vector<T>& values) {
    return {values.data(), values.size()};
}
template <class T>
barren::Vector<T> view(std::vector<T>& values) {
    return {values.data(), values.size()};
}

void gcd_products_are_sums_over_divisors() {
    const std::vector<std::int64_t> primes{2, 3, 5, 7, 11, 13, 17, 19, 23, 29};
    const std::size_t size = 30;
    std::vector<double> v(size), weights(size), out(size);
    for (std::size_t i = 0; i < size; ++i) v[i] = static_cast<double>(i % 7) - 3.0, weights[i] = static_cast<double>(i);
    barren::gcd_product(view(std::as_const(v)), view(std::as_const(weights)), view(primes), view(out), with(2));
    for (std::size_t a = 1; a <= size; ++a) {
        double sum = 0.0;  // small integers: no order of the sum rounds
        for (std::size_t b = 1; b <= size; ++b)
            for (std::size_t d = 1; d <= a; ++d)
                if (a % d == 0 && b % d == 0) sum += weights[d - 1] * v[b - 1];
        if (out[a - 1] != sum) expect(false, "gcd_product");
    }
    const std::vector<std::int64_t> wrong{2, 31};
    expect_throw<std::invalid_argument>([&] { barren::sum_over_divisors(view(out), view(wrong), with(1)); },
                                        "a prime above A is refused");
}

void fixed_multipliers_agree_with_128_bit_products() {
    std::mt19937_64 random(1);
    for (int i = 0; i < 200000; ++i) {
        const std::uint64_t modulus = (random() >> (1 + random() % 62)) | 1;
        const std::uint64_t a = random() % modulus, x = i % 2 ? random() % modulus : random();
        const auto expected = static_cast<std::uint64_t>(static_cast<unsigned __int128>(a) * x % modulus);
        if (barren::FixedMultiplier(a, modulus)(x) != expected) expect(false, "FixedMultiplier");
    }
    expect(true, "FixedMultiplier");
    const std::uint64_t mersenne = (std::uint64_t{1} << 61) - 1;
    expect(barren::power_mod(3, mersenne - 1, mersenne) == 1, "Fermat's little theorem modulo 2^61 - 1");
    expect(barren::power_mod(5, 0, 1) == 0, "everything is 0 modulo 1");
}

void logarithms_invert_powers() {
    const std::uint64_t p = 100003, root = 2;
    std::vector<std::int64_t> powers(p - 1), logarithms(p);
    barren::power_table(root, p, view(powers), with(3));
    barren::logarithm_table(view(std::as_const(powers)), p, view(logarithms), with(1));
    for (std::size_t i = 0; i < powers.size(); ++i)
        if (logarithms[static_cast<std::size_t>(powers[i])] != static_cast<std::int64_t>(i))
            expect(false, "logarithms");
    std::vector<std::int64_t> piece(70000);
    barren::power_range(root, 30000, p, view(piece), with(2));
    for (std::size_t i = 0; i < piece.size(); ++i)
        if (piece[i] != powers[30000 + i]) expect(false, "power_range");
    expect(logarithms[0] == -1, "0 has no logarithm");
    std::vector<std::int64_t> bad(6), out(7);
    barren::power_table(2, 7, view(bad), with(1));  // 2 has order 3 modulo 7
    expect_throw<std::invalid_argument>(
        [&] { barren::logarithm_table(view(std::as_const(bad)), 7, view(out), with(1)); },
        "a root that is not primitive is refused");
}

template <class T>
std::vector<double> response(std::int64_t p, const std::vector<std::int64_t>& points, const std::vector<T>& jacobian,
                             std::size_t columns, int threads) {
    std::vector<std::int64_t> multipliers;
    for (std::int64_t a = 0; a < p; ++a) multipliers.push_back(a);
    std::vector<T> table;
    for (std::int64_t t = 0; t < p; ++t) table.push_back(static_cast<T>(std::sin(double(t * t % p))));
    const std::vector<double> weights(points.size(), 0.5);
    std::vector<double> out(multipliers.size() * columns);
    const barren::Family<T> family{view(std::as_const(multipliers)),
                                   view(points),
                                   static_cast<std::uint64_t>(p),
                                   {barren::Formula::table, 0, view(std::as_const(table))}};
    barren::responses<T>(family, view(weights), {jacobian.data(), points.size(), columns},
                         {out.data(), multipliers.size(), columns}, with(threads));
    return out;
}

template <class T>
void responses_agree_with_plain_sums(double tolerance) {
    std::mt19937_64 random(2);
    std::normal_distribution<double> normal;
    for (const std::int64_t p : {3, 15, 257, 521}) {
        for (const bool consecutive : {true, false}) {
            for (const std::size_t columns : {1, 7, 8, 19}) {
                std::vector<std::int64_t> points;
                for (std::int64_t x = 0; x < p; ++x) points.push_back(consecutive ? x : (x * 7 + 3) % p);
                std::vector<T> jacobian(points.size() * columns);
                for (T& entry : jacobian) entry = static_cast<T>(normal(random));
                const auto out = response<T>(p, points, jacobian, columns, 1);
                for (std::int64_t a = 0; a < p; ++a)
                    for (std::size_t c = 0; c < columns; ++c) {
                        double expected = 0.0;
                        for (std::size_t i = 0; i < points.size(); ++i) {
                            const std::int64_t t = a * points[i] % p;
                            expected += 0.5 * std::sin(double(t * t % p)) * double(jacobian[i * columns + c]);
                        }
                        if (!(std::abs(out[a * columns + c] - expected) <= tolerance * double(points.size())))
                            expect(false, "responses against plain sums");
                    }
                for (const int threads : {2, 7})
                    expect(out == response<T>(p, points, jacobian, columns, threads),
                           "same bits for any number of threads");
            }
        }
    }
}

// Products near the limits of each way to make them (docs/performance), in every set, against 128 bits.
void products_agree_with_128_bits() {
    std::mt19937_64 random(3);
    const auto& set = barren::kernels();
    for (const int bits : {2, 8, 30, 31, 32, 33, 50, 51, 52, 53, 62, 63}) {
        const std::uint64_t modulus = (std::uint64_t{1} << bits) - (bits == 31 ? 1 : 0) - (bits > 8 ? random() % 3 : 0);
        std::vector<std::uint64_t> a(barren::lanes), quotients(barren::lanes), wide(20 * barren::lanes);
        std::vector<std::uint32_t> a32(barren::lanes), quotients32(barren::lanes), narrow(20 * barren::lanes);
        std::vector<std::int64_t> points(20);
        for (std::size_t l = 0; l < barren::lanes; ++l) {
            a[l] = l == 0 ? modulus - 1 : random() % modulus;
            a32[l] = static_cast<std::uint32_t>(a[l]);
            quotients[l] = static_cast<std::uint64_t>((static_cast<unsigned __int128>(a[l]) << 64) / modulus);
            quotients32[l] = static_cast<std::uint32_t>((static_cast<unsigned __int128>(a[l]) << 32) / modulus);
        }
        for (std::size_t i = 0; i < points.size(); ++i)
            points[i] = static_cast<std::int64_t>(i == 0 ? modulus - 1 : random() % modulus);
        const bool fits = modulus < (std::uint64_t{1} << 31);
        set.multiply_wide(modulus, a.data(), quotients.data(), points.data(), points.size(), wide.data());
        if (fits)
            set.multiply_narrow(static_cast<std::uint32_t>(modulus), a32.data(), quotients32.data(), points.data(),
                                points.size(), narrow.data());
        for (std::size_t i = 0; i < wide.size(); ++i) {
            const auto x = static_cast<std::uint64_t>(points[i / barren::lanes]);
            const std::uint64_t expected = barren::multiply_mod(a[i % barren::lanes], x, modulus);
            if (wide[i] != expected || (fits && narrow[i] != expected)) expect(false, "products against 128 bits");
        }
    }
    expect(true, "products against 128 bits");
}

template <class T>
void correlations_agree_with_responses(double tolerance) {
    for (const std::int64_t p : {3, 5, 101, 1009}) {
        const std::uint64_t root = p == 1009 ? 11 : 2, m = static_cast<std::uint64_t>(p);
        std::vector<std::int64_t> powers(static_cast<std::size_t>(p - 1)), members, points;
        barren::power_table(root, m, view(powers), with(1));
        for (std::int64_t a = p - 1; a >= 0; --a) members.push_back(a);
        for (std::int64_t x = 0; x < 2 * p; x += 2) points.push_back(x % p);
        points.push_back(1);  // a point that repeats
        std::vector<T> table, jacobian;
        for (std::int64_t t = 0; t < p; ++t) table.push_back(static_cast<T>(std::sin(double(t * t % p))));
        const std::size_t columns = 11;
        for (std::size_t i = 0; i < points.size() * columns; ++i)
            jacobian.push_back(static_cast<T>(std::cos(double(i % 1000))));
        const std::vector<double> weights(points.size(), 0.5);
        const barren::Family<T> family{view(std::as_const(members)),
                                       view(std::as_const(points)),
                                       m,
                                       {barren::Formula::table, 0, view(std::as_const(table))}};
        const barren::Matrix<const T> J{jacobian.data(), points.size(), columns};
        std::vector<double> plain(members.size() * columns);
        barren::responses<T>(family, view(weights), J, {plain.data(), members.size(), columns}, with(2));
        for (const int threads : {1, 3}) {
            std::vector<double> out(plain.size(), -1.0);
            barren::correlations<T>(family, view(std::as_const(powers)), view(weights), J,
                                    {out.data(), members.size(), columns}, with(threads));
            for (std::size_t i = 0; i < out.size(); ++i)
                if (!(std::abs(out[i] - plain[i]) <= tolerance * double(p)))
                    expect(false, "correlations against responses");
        }
    }
    expect(true, "correlations against responses");
}

void worker_exceptions_and_stops_are_carried_out() {
    for (const int threads : {1, 2, 7}) {
        expect_throw<std::domain_error>(
            [&] {
                barren::parallel_for(100, with(threads), [](std::size_t task, int, barren::Progress&) {
                    if (task == 57) throw std::domain_error("task 57");
                });
            },
            "a worker's exception reaches the caller");
        std::atomic<int> done{0};
        const barren::Execution stopping{threads, [] { return true; }};
        expect_throw<barren::Interrupted>(
            [&] {
                barren::parallel_for(100000, stopping, [&](std::size_t, int worker, barren::Progress& progress) {
                    for (volatile int spin = 0; spin < 20000; spin = spin + 1) {
                    }
                    progress.checkpoint(worker);
                    ++done;
                });
            },
            "a stop that was asked for ends the loop");
        expect(done < 100000, "a stopped loop leaves tasks undone");
    }
}

void workers_are_woken_for_a_millisecond_each() {
    const auto threads = [](int wanted, double milliseconds) {
        return barren::worth(with(wanted), milliseconds * 1e6).threads;
    };
    expect(threads(7, 0.0) == 1 && threads(7, 1.9) == 1, "little work is that of the calling thread");
    expect(threads(7, 3.5) == 3 && threads(7, 1e9) == 7 && threads(1, 1e9) == 1,
           "never more threads than were asked for");
    expect(barren::workers_for(100, barren::worth(with(0), 0.5)) == 1, "nor are all that there are for little work");
    const int most = barren::workers_for(4096, with(4096));
    expect(most >= 64 && most < 4096 && barren::workers_for(4096, with(7)) == 7, "no more workers than may be of use");
    const auto asked = std::make_shared<int>(0);
    barren::Execution polling{4, [asked] { return ++*asked > 0; }};
    expect(barren::worth(polling, 1.0).poll() && *asked == 1, "a small loop can be stopped");
}

void bad_sizes_are_refused() {
    const std::vector<std::int64_t> multipliers{1, 2}, points{0, 1, 2}, outside{5};
    const std::vector<double> table{0, 1, 0, 1, 0}, weights{1, 1, 1}, jacobian{1, 2, 3};
    std::vector<double> out(2);
    const barren::Target<double> psi{barren::Formula::table, 0, view(table)};
    const auto call = [&](barren::Vector<const std::int64_t> a, std::uint64_t modulus, std::size_t rows) {
        barren::responses<double>({a, view(points), modulus, psi}, view(weights), {jacobian.data(), rows, 1},
                                  {out.data(), a.size, 1}, with(1));
    };
    call(view(multipliers), 5, 3);
    expect_throw<std::invalid_argument>([&] { call(view(multipliers), 5, 2); }, "rows that do not match the points");
    expect_throw<std::invalid_argument>([&] { call(view(multipliers), 7, 3); },
                                        "a table that does not match the modulus");
    expect_throw<std::invalid_argument>([&] { call(view(outside), 5, 3); }, "a multiplier outside 0..m-1");
    expect_throw<std::invalid_argument>([&] { call(view(multipliers), barren::modulus_limit, 3); },
                                        "a modulus of 2^63");
}

void pairing_agrees_with_a_plain_sum() {
    const std::vector<double> kernel{3, 1, 2}, weights{0.5, 0.25, 0.25};
    const std::vector<std::int64_t> logarithms{2, -1, 0};
    const std::vector<double> ntk{1, 2, 3, 4, 5, 6, 7, 8, 9};
    const barren::Side side{view(logarithms), view(weights)};
    const double got = barren::pairing<double>(view(kernel), side, side, {ntk.data(), 3, 3}, with(2));
    const double expected = 0.5 * 0.5 * 3 * 1 + 0.5 * 0.25 * 2 * 3 + 0.25 * 0.5 * 1 * 7 + 0.25 * 0.25 * 3 * 9;
    expect(std::abs(got - expected) < 1e-15, "pairing against a plain sum");
}

// What depends on the instruction set.
void every_kernel() {
    responses_agree_with_plain_sums<double>(1e-14);
    responses_agree_with_plain_sums<float>(1e-6);
    correlations_agree_with_responses<double>(1e-14);
    correlations_agree_with_responses<float>(1e-6);
    products_agree_with_128_bits();
}

}  // namespace

// Σ_j over the definition, in integers: 12·Σ (2j − k)(2y − k)/(4k²).
void dedekind_sums_agree_with_the_definition() {
    const std::vector<std::int64_t> moduli{1, 2, 7, 12, 101, 1009};
    for (const std::int64_t k : moduli) {
        std::vector<std::int64_t> h, c;
        for (std::int64_t i = 0; i < 3 * k && i < 500; ++i) {
            h.push_back(i * 5 % k);
            c.push_back(i / 3 % k);
        }
        std::vector<double> shifted(h.size()), plain(h.size());
        const auto size = static_cast<std::uint64_t>(k);
        barren::dedekind_sums(view(std::as_const(h)), view(std::as_const(c)), size, view(shifted), with(2));
        barren::dedekind_sums(view(std::as_const(h)), {}, size, view(plain), with(2));
        for (std::size_t i = 0; i < h.size(); ++i) {
            std::int64_t sum = 0, sum_plain = 0;
            for (std::int64_t j = 1; j < k; ++j) {
                const std::int64_t y = (h[i] * j + c[i]) % k, y_plain = h[i] * j % k;
                sum += y == 0 ? 0 : (2 * j - k) * (2 * y - k);
                sum_plain += y_plain == 0 ? 0 : (2 * j - k) * (2 * y_plain - k);
            }
            const auto scale = static_cast<double>(k * k);
            expect(std::abs(shifted[i] - 3.0 * static_cast<double>(sum) / scale) <= 1e-12 * scale, "shifted sums");
            expect(std::abs(plain[i] - 3.0 * static_cast<double>(sum_plain) / scale) <= 1e-12 * scale, "plain sums");
        }
    }
    std::vector<std::int64_t> large{9223372036854775782, 1, 2};  // the quotients of 1 and 2 are given up by the kernels
    std::vector<double> out(3);
    barren::dedekind_sums(view(std::as_const(large)), {}, 9223372036854775783u, view(out), with(1));
    const double p = 9223372036854775783.0;
    expect(out[1] == p - 3.0 && out[0] == 3.0 - p, "σ(±1, p) = ±(p − 1)(p − 2)/p");
    expect(std::abs(out[2] / (p / 2) - 1.0) < 1e-15, "σ(2, p) = (p − 1)(p − 5)/2p");
}

void walsh_transforms_are_signed_sums() {
    // 2^12 rows of 9 columns take a pass of rows that lie apart; the numbers are whole, so sums are exact.
    for (const auto& [levels, columns] : {std::pair<int, std::size_t>{0, 1}, {1, 3}, {5, 17}, {12, 9}}) {
        const std::size_t n = std::size_t{1} << levels;
        std::vector<double> rows(n * columns);
        for (std::size_t i = 0; i < rows.size(); ++i) rows[i] = static_cast<double>((i * i + 3 * i) % 11) - 5.0;
        std::vector<double> made = rows;
        barren::walsh_hadamard({made.data(), n, columns}, with(3));
        std::vector<std::int64_t> every(n);
        for (std::size_t x = 0; x < n; ++x) every[x] = static_cast<std::int64_t>(x);
        for (std::size_t v = 0; v < n; v += n < 64 ? 1 : 97) {
            const std::vector<std::int64_t> one{static_cast<std::int64_t>(v)};
            std::vector<std::uint8_t> ones(n);
            barren::common_ones(view(std::as_const(one)), view(std::as_const(every)), {ones.data(), 1, n}, with(2));
            for (std::size_t c = 0; c < columns; ++c) {
                double sum = 0.0;
                for (std::size_t x = 0; x < n; ++x) sum += (ones[x] % 2 == 0 ? 1.0 : -1.0) * rows[x * columns + c];
                expect(made[v * columns + c] == sum, "a Walsh–Hadamard transform");
            }
        }
    }
    const std::vector<std::int64_t> x{0, 6, INT64_MAX}, y{3, -1};
    std::vector<std::uint8_t> apart(6);
    barren::distances(view(x), view(y), {apart.data(), 3, 2}, with(1));
    expect(apart == std::vector<std::uint8_t>({2, 64, 2, 62, 61, 1}), "bits that differ");
    std::vector<double> three(3);
    expect_throw<std::invalid_argument>([&] { barren::walsh_hadamard({three.data(), 3, 1}, with(1)); }, "three rows");
}

int main() {
    const std::string first = barren::kernels().name;  // BARREN_KERNEL, or the best
    fixed_multipliers_agree_with_128_bit_products();
    logarithms_invert_powers();
    gcd_products_are_sums_over_divisors();
    for (const std::string& name : barren::available_kernels()) {
        barren::use_kernels(name);
        every_kernel();
        dedekind_sums_agree_with_the_definition();
        walsh_transforms_are_signed_sums();
    }
    expect_throw<std::invalid_argument>([] { barren::use_kernels("abacus"); }, "an unknown kernel is refused");
    barren::use_kernels(first);
    worker_exceptions_and_stops_are_carried_out();
    workers_are_woken_for_a_millisecond_each();
    bad_sizes_are_refused();
    pairing_agrees_with_a_plain_sum();
    std::printf("%d passed, 0 failed (kernel %s)\n", checks, first.c_str());
}
