// Dedekind sums by Euclid's algorithm in every lane at once (docs/theory, section 2.1): the divisor takes the place of
// the dividend in turn, so a round is two steps and nothing is swapped. A lane that is through has a divisor of zero
// and quotients of zero. Part of kernels.inl.

typedef double Reals __attribute__((vector_size(BARREN_VECTOR_BYTES)));
typedef std::int64_t Signed __attribute__((vector_size(BARREN_VECTOR_BYTES)));

// Vectors that hide the latency of one another's steps.
constexpr std::size_t chains = BARREN_VECTOR_BYTES == 64 ? 4 : 8;
// So many of them wait for one another in the few steps of shorten().
constexpr std::size_t close = BARREN_VECTOR_BYTES == 64 ? 4 : 2;
static_assert(euclids % (chains * longs) == 0 && chains % close == 0, "whole groups");

inline Signed signed_of(Reals x) { return reinterpret_cast<Signed>(x); }
inline Longs longs_of(Reals x) { return reinterpret_cast<Longs>(x); }
inline Reals reals_of(Signed x) { return reinterpret_cast<Reals>(x); }
inline Reals reals_of(Longs x) { return reinterpret_cast<Reals>(x); }

inline Reals size_of(Reals x) { return reals_of(signed_of(x) & ~(std::int64_t{1} << 63)); }
inline Reals where(Signed mask, Reals x) { return reals_of(signed_of(x) & mask); }

// centre + x rounds x to an integer for |x| < 2^51, and its digits end in those of the integer.
constexpr double two_40 = 0x1p40, two_49 = 0x1p49, two_52 = 0x1p52, centre = 0x1.8p52;

// Integers 0 <= x < 2^52 as doubles, through the digits of 2^52 + x.
inline Reals to_reals(Longs x) { return reals_of(x | longs_of(broadcast<Reals>(two_52))) - two_52; }

inline bool any(Signed x) {
#if BARREN_VECTOR_BYTES == 64
    return _mm512_test_epi64_mask(reinterpret_cast<__m512i>(x), reinterpret_cast<__m512i>(x)) != 0;
#elif BARREN_VECTOR_BYTES == 32
    return _mm256_testz_si256(reinterpret_cast<__m256i>(x), reinterpret_cast<__m256i>(x)) == 0;
#else
    return (x[0] | x[1]) != 0;
#endif
}

// p/q to 13 bits at least and with its sign, or 0 where q = 0.
inline Reals ratio(Reals p, Reals q) {
#if BARREN_VECTOR_BYTES == 64
    const __m512d divisor = reinterpret_cast<__m512d>(q);
    const __mmask8 some = _mm512_cmp_pd_mask(divisor, _mm512_setzero_pd(), _CMP_NEQ_UQ);
    return p * reinterpret_cast<Reals>(_mm512_maskz_rcp14_pd(some, divisor));
#else
    return where(q != Reals{}, p / q);
#endif
}

// sum + x where y < 0.
inline Reals add_where_negative(Reals sum, Reals y, double x) {
#if BARREN_VECTOR_BYTES == 64
    const __mmask8 some = _mm512_cmp_pd_mask(reinterpret_cast<__m512d>(y), _mm512_setzero_pd(), _CMP_LT_OQ);
    const __m512d before = reinterpret_cast<__m512d>(sum);
    return reinterpret_cast<Reals>(_mm512_mask_add_pd(before, some, before, _mm512_set1_pd(x)));
#else
    return sum + where(y < Reals{}, broadcast<Reals>(x));
#endif
}

// p_j = a_j·p_{j+1} + p_{j+2} with whole a_j near the p_j/p_{j+1}, all of any sign: p and q are two p_j that follow one
// another, u and v the v_j beside them, and whole is Σ_j (−1)^{j+1}·(a_j + 6·[p_j·p_{j+1} < 0]).
struct Chain {
    Reals p, q, u, v, whole;
};

inline Chain chain_from(Reals k, Reals h) { return {k, h, Reals{}, broadcast<Reals>(1.0), Reals{}}; }

// a_j, and centre + a_j.
struct Quotient {
    Reals value, shifted;
};

template <int Sign>
inline Quotient divide(Reals p, Reals q, Reals& whole) {
    const Reals near = ratio(p, q), shifted = near + centre, value = shifted - centre;
    whole = add_where_negative(Sign > 0 ? whole + value : whole - value, near, Sign * 6.0);
    return {value, shifted};
}

template <int Sign>
inline Quotient step(Reals& p, Reals q, Reals& u, Reals v, Reals& whole) {
    const Quotient a = divide<Sign>(p, q, whole);
    p -= a.value * q;
    u += a.value * v;
    return a;
}

// The nearest integer, for |x| < 2^51.
inline Reals nearest(Reals x) { return (x + centre) - centre; }

// sum = x·y + z but for its rounding, and what the rounding of a sum that is 0, z, or z/2 to 2z left.
struct Sum {
    Reals sum, left;
};

inline Sum add_product(Reals x, Reals y, Reals z) {
    Reals product = x * y;
    settle(product);
    const Reals sum = product + z;
    return {sum, (product - (sum - z)) + product_error(x, y, product)};
}

// whole + (x + x_rest)/k correctly rounded, or NaN where that is not certain. 1/k is known to 2^-100 of it, and x_rest
// is below the last place of x. The quotient is below 1/2, which makes add_product() exact.
inline Reals rounded(Reals whole, Reals x, Reals x_rest, const DedekindModulus& modulus) {
    const Sum found = add_product(x, broadcast<Reals>(modulus.inverse), whole);
    const Reals rest = found.left + (x * modulus.inverse_rest + x_rest * modulus.inverse);
    const Reals size = size_of(x) * modulus.inverse, error = size_of(rest) * 0x1p-50 + size * 0x1p-98;
    const Reals low = found.sum + (rest - error), high = found.sum + (rest + error);
    const Signed sure = (low == high) & (size <= 0.5 - 0x1p-20) & (size_of(whole) < two_49);
    return reals_of(signed_of(low) | ~sure);
}

// Whether the last step was one of p's: then (−1)^{t+1}·v_{t+1}/p_{t+1} = v/q, and else −u/p. Both divisors are ±1, or
// h and k have a common divisor and the sum is not for us.
inline Signed ended_odd(const Chain& c) { return c.p == Reals{}; }
inline Reals last_of(const Chain& c) { return c.p + c.q; }
inline Reals whole_of(const Chain& c) { return c.whole - where(ended_odd(c), broadcast<Reals>(3.0)); }
inline Reals either(Signed mask, Reals x, Reals y) { return reals_of((signed_of(x) & mask) | (signed_of(y) & ~mask)); }

// k < 2^52: doubles hold every integer here, since |v_j| < 3k/2. divide() is wrong at 2^51 and above, which
// leaves a whole that rounded() refuses.
void dedekind_narrow(const DedekindModulus& modulus, const std::uint64_t* h, std::size_t count, double* sums) {
    const Reals k = broadcast<Reals>(static_cast<double>(modulus.k));
    for (std::size_t first = 0; first < count; first += chains * longs) {
        Reals from[chains];
        Chain c[chains];
        for (std::size_t i = 0; i < chains; ++i) {
            const Reals place = to_reals(load<Longs>(h + first + i * longs));
            from[i] = place - where(place > k * 0.5, k);
            c[i] = chain_from(k, from[i]);
        }
        for (bool more = true; more;) {
            Signed left{};
            for (std::size_t i = 0; i < chains; ++i) step<1>(c[i].p, c[i].q, c[i].u, c[i].v, c[i].whole);
            for (std::size_t i = 0; i < chains; ++i) {
                step<-1>(c[i].q, c[i].p, c[i].v, c[i].u, c[i].whole);
                left |= (c[i].p != Reals{}) & (c[i].q != Reals{});
            }
            more = any(left);
        }
        for (std::size_t i = 0; i < chains; ++i) {
            const Signed odd = ended_odd(c[i]);
            const Reals unit = last_of(c[i]);
            const Reals x = from[i] + either(odd, c[i].v, -c[i].u) * unit;
            const Reals whole = nearest(x * modulus.inverse);
            const Reals sum = rounded(whole_of(c[i]) + whole, x - whole * k, Reals{}, modulus);
            store(sums + first + i * longs, reals_of(signed_of(sum) | (size_of(unit) != 1.0)));
        }
    }
}

// p = upper·2^11 + lower: exact for p < 2^63 as long as v_j < 2^40.
struct Split {
    Reals upper, lower;

    Reals joined() const { return upper * 0x1p11 + lower; }
};

template <int Sign>
inline void step_split(Split& p, const Split& q, Reals& u, Reals v, Reals& whole, Signed active) {
    const Reals a = divide<Sign>(p.joined(), where(active, q.joined()), whole).value;
    p.upper -= a * q.upper;
    p.lower -= a * q.lower;
    u += a * v;
}

inline Signed is_long(const Split& p, const Split& q) {
    return (size_of(p.joined()) >= two_52) & (q.joined() != Reals{});
}

// The first steps, until p < 2^52. A lane where that is not how they end is through, with a whole of NaN.
inline void shorten(Split* p, Split* q, Chain* c) {
    constexpr int most_rounds = 32;  // a few but for lanes that are lost
    bool more = true;
    for (int round = 0; more && round < most_rounds; ++round) {
        Signed left{};
        for (std::size_t i = 0; i < close; ++i) {
            const Signed active = is_long(p[i], q[i]);
            step_split<1>(p[i], q[i], c[i].u, c[i].v, c[i].whole, active);
            step_split<-1>(q[i], p[i], c[i].v, c[i].u, c[i].whole, active);
            left |= is_long(p[i], q[i]);
        }
        more = any(left);
    }
    for (std::size_t i = 0; i < close; ++i) {
        const Reals near = p[i].joined(), next = q[i].joined();
        const Signed kept = (size_of(near) < two_52) & (size_of(next) < two_52) & (size_of(c[i].u) < two_40) &
                            (size_of(c[i].v) < two_40);
        c[i].p = near;
        c[i].q = where(kept, next);
        c[i].whole = reals_of(signed_of(c[i].whole) | ~kept);
    }
}

// k < 2^63. Doubles hold the v_j to 2^-40 of them, and integers their low halves.
void dedekind_wide(const DedekindModulus& modulus, const std::uint64_t* h, std::size_t count, double* sums) {
    constexpr std::uint64_t low_half = 0xffffffff, low_digits = 2047;
    const Reals k = broadcast<Reals>(static_cast<double>(modulus.k));
    const Split k_split{broadcast<Reals>(static_cast<double>(modulus.k >> 11)),
                        broadcast<Reals>(static_cast<double>(modulus.k & low_digits))};
    for (std::size_t first = 0; first < count; first += chains * longs) {
        Reals from[chains];
        Longs from_low[chains], u_low[chains], v_low[chains];
        Split p[chains], q[chains];
        Chain c[chains];
        for (std::size_t i = 0; i < chains; ++i) {
            const Longs place = load<Longs>(h + first + i * longs);
            Split split{to_reals(place >> 11), to_reals(place & low_digits)};
            const Signed over = split.upper > k_split.upper * 0.5;
            split.upper -= where(over, k_split.upper);
            split.lower -= where(over, k_split.lower);
            from[i] = split.joined();
            from_low[i] = place - (broadcast<Longs>(modulus.k) & reinterpret_cast<Longs>(over));
            p[i] = k_split;
            q[i] = split;
            c[i] = chain_from(Reals{}, Reals{});
        }
        for (std::size_t i = 0; i < chains; i += close) shorten(p + i, q + i, c + i);
        for (std::size_t i = 0; i < chains; ++i) {
            u_low[i] = longs_of(c[i].u + centre);
            v_low[i] = longs_of(c[i].v + centre);
        }
        for (bool more = true; more;) {
            Signed left{};
            for (std::size_t i = 0; i < chains; ++i) {
                const Quotient a = step<1>(c[i].p, c[i].q, c[i].u, c[i].v, c[i].whole);
                u_low[i] += multiply_low_halves(longs_of(a.shifted), v_low[i]);
            }
            for (std::size_t i = 0; i < chains; ++i) {
                const Quotient a = step<-1>(c[i].q, c[i].p, c[i].v, c[i].u, c[i].whole);
                v_low[i] += multiply_low_halves(longs_of(a.shifted), u_low[i]);
                left |= (c[i].p != Reals{}) & (c[i].q != Reals{});
            }
            more = any(left);
        }
        for (std::size_t i = 0; i < chains; ++i) {
            const Signed odd = ended_odd(c[i]);
            const Reals last = last_of(c[i]);
            const Reals unit = either(odd, last, -last);
            const Longs negative = reinterpret_cast<Longs>(unit < Reals{});
            const Longs odds = reinterpret_cast<Longs>(odd);
            // x = h + (−1)^{t+1}·v_{t+1} modulo k, nearly and in its low half, and from both in two parts.
            const Reals x_near = from[i] + either(odd, c[i].v, c[i].u) * unit;
            const Longs v_last = (v_low[i] & odds) | (u_low[i] & ~odds);
            const Reals shifted = x_near * modulus.inverse + centre, whole = shifted - centre;
            const Longs x_low = from_low[i] + ((v_last ^ negative) - negative) -
                                multiply_low_halves(longs_of(shifted), broadcast<Longs>(modulus.k));
            const Reals lower = to_reals(x_low & low_half);
            const Reals upper = nearest(((x_near - whole * k) - lower) * 0x1p-32) * 0x1p32;
            const Reals x = upper + lower;
            const Reals sum = rounded(whole_of(c[i]) + whole, x, lower - (x - upper), modulus);
            store(sums + first + i * longs, reals_of(signed_of(sum) | (size_of(last) != 1.0)));
        }
    }
}
