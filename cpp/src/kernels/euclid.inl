// Euclid's algorithm in every lane at once (docs/theory, section 2): the divisor takes the place of the dividend in
// turn, so a round is two steps and nothing is swapped. A lane that is through has a divisor of zero and quotients of
// zero. Part of kernels.inl.

typedef double Reals __attribute__((vector_size(BARREN_VECTOR_BYTES)));
typedef std::int64_t Signed __attribute__((vector_size(BARREN_VECTOR_BYTES)));

// Vectors that hide the latency of one another's divisions.
constexpr std::size_t chains = 4;

inline Signed signed_of(Reals x) { return reinterpret_cast<Signed>(x); }
inline Reals reals_of(Signed x) { return reinterpret_cast<Reals>(x); }

constexpr double two_52 = 4503599627370496.0;

// Integers 0 <= x < 2^52 from one form into the other, through the digits of 2^52 + x.
inline Reals to_reals(Signed x) { return reals_of(x | signed_of(broadcast<Reals>(two_52))) - two_52; }
inline Signed to_integers(Reals x) { return signed_of(x + two_52) ^ signed_of(broadcast<Reals>(two_52)); }

// ⌊x⌋ for 0 <= x < 2^52, and anything for an infinity.
inline Reals floor_of(Reals x) {
#if BARREN_VECTOR_BYTES == 64
    return reinterpret_cast<Reals>(_mm512_roundscale_pd(reinterpret_cast<__m512d>(x), 0x09));
#elif BARREN_VECTOR_BYTES == 32
    return reinterpret_cast<Reals>(_mm256_floor_pd(reinterpret_cast<__m256d>(x)));
#else
    const Reals nearest = (x + two_52) - two_52;
    return nearest - reals_of((nearest > x) & signed_of(broadcast<Reals>(1.0)));
#endif
}

inline bool any(Longs x) {
    std::uint64_t joined = 0;
    for (std::size_t l = 0; l < longs; ++l) joined |= x[l];
    return joined != 0;
}

// k < 2^52. Doubles hold every integer here, and ⌊p/q⌋ of the rounded quotient is exact: p/q lies at least 1/q below
// the next integer, which is more than half a unit in its last place since p < 2^53.
inline void step_narrow(Reals& p, const Reals& q, Reals& u, const Reals& v, Reals& quotient) {
    const Reals zero{};
    quotient = reals_of(signed_of(floor_of(p / q)) & (q > zero));
    p -= quotient * q;
    u += quotient * v;
}

void euclid_narrow(std::uint64_t k, const std::uint64_t* h, std::size_t count, std::uint64_t* divisors,
                   std::int64_t* factors, std::int64_t* wholes) {
    for (std::size_t first = 0; first < count; first += chains * longs) {
        Reals p[chains], q[chains], u[chains], v[chains], sum[chains];
        for (std::size_t i = 0; i < chains; ++i) {
            p[i] = broadcast<Reals>(static_cast<double>(k));
            q[i] = to_reals(load<Signed>(h + first + i * longs));
            u[i] = sum[i] = Reals{};
            v[i] = broadcast<Reals>(1.0);
        }
        for (bool more = true; more;) {
            Reals a, left{};
            for (std::size_t i = 0; i < chains; ++i) {
                step_narrow(p[i], q[i], u[i], v[i], a);
                sum[i] += a;
            }
            for (std::size_t i = 0; i < chains; ++i) {
                step_narrow(q[i], p[i], v[i], u[i], a);
                sum[i] -= a;
                left += a;
            }
            more = any(reinterpret_cast<Longs>(left));
        }
        for (std::size_t i = 0; i < chains; ++i) {
            const Signed odd = p[i] == Reals{};  // the last step was one of p's
            const Signed factor = (to_integers(v[i]) & odd) | (-to_integers(u[i]) & ~odd);
            const Reals size = reals_of(signed_of(sum[i]) & ~(std::int64_t{1} << 63));
            const Signed whole = to_integers(size), negative = sum[i] < Reals{};
            store(divisors + first + i * longs, to_integers(p[i] + q[i]));
            store(factors + first + i * longs, factor);
            store(wholes + first + i * longs, (whole ^ negative) - negative);
        }
    }
}

#if BARREN_VECTOR_BYTES == 64
inline Reals nearest(Longs x) { return reinterpret_cast<Reals>(_mm512_cvtepi64_pd(reinterpret_cast<__m512i>(x))); }
inline Longs truncated(Reals x) { return reinterpret_cast<Longs>(_mm512_cvttpd_epi64(reinterpret_cast<__m512d>(x))); }

// p and q with their nearest doubles. Conversions and the division are off by less than 2^-51 of the quotient, and so
// the factor below makes it too small, by less than one for a quotient below 2^49: one correction is left. A lane with
// a larger one is lost.
inline void step_wide(Longs& p, Reals& p_near, Longs q, Reals q_near, Longs& u, Longs v, Longs& quotient, Longs& lost) {
    constexpr double below = 1.0 - 0x1p-50;
    Longs a = truncated(p_near / q_near * below) & reinterpret_cast<Longs>(q != 0);
    lost |= a >> 49;
    Longs rest = p - a * q;
    const Longs more = reinterpret_cast<Longs>((rest >= q) & (q != 0));
    rest -= q & more;
    a -= more;
    p = rest;
    p_near = nearest(rest);
    u += a * v;
    quotient = a;
}

// k < 2^63.
void euclid_wide(std::uint64_t k, const std::uint64_t* h, std::size_t count, std::uint64_t* divisors,
                 std::int64_t* factors, std::int64_t* wholes) {
    constexpr int most_rounds = 46;  // two steps each: the quotients of 91 steps have a product of 2^63 at least
    for (std::size_t first = 0; first < count; first += chains * longs) {
        Longs p[chains], q[chains], u[chains], v[chains], sum[chains], lost[chains];
        Reals p_near[chains], q_near[chains];
        for (std::size_t i = 0; i < chains; ++i) {
            p[i] = broadcast<Longs>(k);
            q[i] = load<Longs>(h + first + i * longs);
            p_near[i] = nearest(p[i]);
            q_near[i] = nearest(q[i]);
            u[i] = sum[i] = lost[i] = Longs{};
            v[i] = broadcast<Longs>(std::uint64_t{1});
        }
        bool more = true;
        for (int round = 0; more && round < most_rounds; ++round) {
            Longs a, left{};
            for (std::size_t i = 0; i < chains; ++i) {
                step_wide(p[i], p_near[i], q[i], q_near[i], u[i], v[i], a, lost[i]);
                sum[i] += a;
            }
            for (std::size_t i = 0; i < chains; ++i) {
                step_wide(q[i], q_near[i], p[i], p_near[i], v[i], u[i], a, lost[i]);
                sum[i] -= a;
                left |= a;
            }
            more = any(left);
        }
        for (std::size_t i = 0; i < chains; ++i) {
            const Longs odd = reinterpret_cast<Longs>(p[i] == 0), kept = reinterpret_cast<Longs>(lost[i] == 0);
            store(divisors + first + i * longs, (p[i] + q[i]) & kept);
            store(factors + first + i * longs, (v[i] & odd) | (-u[i] & ~odd));
            store(wholes + first + i * longs, sum[i]);
        }
    }
}
constexpr auto* euclid_of_words = &euclid_wide;
#else
// Without conversions of 64-bit integers in every lane the processor's own division is quicker.
constexpr decltype(&euclid_narrow) euclid_of_words = nullptr;
#endif
