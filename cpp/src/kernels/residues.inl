// Products modulo m with a fixed multiplier in each lane and any points: Shoup's method, as FixedMultiplier does it.
// With q = ⌊⌊a·β/m⌋·x/β⌋ the difference a·x − q·m lies in [0, 2m) for every x < β, and one subtraction is left. Part of
// kernels.inl.

void multiply_narrow(std::uint32_t modulus, const std::uint32_t* multipliers, const std::uint32_t* quotients,
                     const std::int64_t* points, std::size_t count, std::uint32_t* residues) {
    constexpr std::uint64_t high = std::uint64_t{0xffffffff} << 32;
    constexpr std::size_t vectors = lanes / words;
    Words a[vectors];
    Longs even[vectors], odd[vectors];
    for (std::size_t v = 0; v < vectors; ++v) {
        a[v] = load<Words>(multipliers + v * words);
        even[v] = load<Longs>(quotients + v * words);
        odd[v] = even[v] >> 32;
    }
    for (std::size_t i = 0; i < count; ++i) {
        const auto x = static_cast<std::uint32_t>(points[i]);
        const Longs wide_x = broadcast<Longs>(std::uint64_t{x});
        for (std::size_t v = 0; v < vectors; ++v) {
            const Longs q = (multiply_low_halves(even[v], wide_x) >> 32) | (multiply_low_halves(odd[v], wide_x) & high);
            const Words r = a[v] * x - reinterpret_cast<Words>(q) * modulus;
            const Words reduced = r - modulus;
            store(residues + i * lanes + v * words, reduced < r ? reduced : r);
        }
    }
}

#if defined(__AVX512IFMA__)
// β = 2^52: the products of IFMA give the low and the high half of 104 bits. 2m must not pass 2^52.
inline void multiply_52(std::uint64_t modulus, const std::uint64_t* multipliers, const std::uint64_t* quotients,
                        const std::int64_t* points, std::size_t count, std::uint64_t* residues) {
    constexpr std::size_t vectors = lanes / longs;
    const __m512i m = _mm512_set1_epi64(static_cast<std::int64_t>(modulus)), none = _mm512_setzero_si512();
    const __m512i word = _mm512_set1_epi64((std::int64_t{1} << 52) - 1);
    __m512i a[vectors], quotient[vectors];
    for (std::size_t v = 0; v < vectors; ++v) {
        a[v] = _mm512_loadu_si512(multipliers + v * longs);
        quotient[v] = _mm512_srli_epi64(_mm512_loadu_si512(quotients + v * longs), 12);  // ⌊⌊a·2^64/m⌋/2^12⌋
    }
    for (std::size_t i = 0; i < count; ++i) {
        const __m512i x = _mm512_set1_epi64(points[i]);
        for (std::size_t v = 0; v < vectors; ++v) {
            const __m512i q = _mm512_madd52hi_epu64(none, quotient[v], x);
            const __m512i difference =
                _mm512_sub_epi64(_mm512_madd52lo_epu64(none, a[v], x), _mm512_madd52lo_epu64(none, q, m));
            const __m512i r = _mm512_and_si512(difference, word);
            _mm512_storeu_si512(residues + i * lanes + v * longs, _mm512_min_epu64(r, _mm512_sub_epi64(r, m)));
        }
    }
}
#endif

#if BARREN_VECTOR_BYTES >= 32
// β = 2^64, the high half of a product from the four products of its halves.
inline void multiply_64(std::uint64_t modulus, const std::uint64_t* multipliers, const std::uint64_t* quotients,
                        const std::int64_t* points, std::size_t count, std::uint64_t* residues) {
    constexpr std::uint64_t low = 0xffffffff;
    for (std::size_t first = 0; first < lanes; first += vectors_together * longs) {
        Longs a[vectors_together], quotient[vectors_together], upper[vectors_together];
        for (std::size_t v = 0; v < vectors_together; ++v) {
            a[v] = load<Longs>(multipliers + first + v * longs);
            quotient[v] = load<Longs>(quotients + first + v * longs);
            upper[v] = quotient[v] >> 32;
        }
        for (std::size_t i = 0; i < count; ++i) {
            const auto x = static_cast<std::uint64_t>(points[i]);
            const Longs x_low = broadcast<Longs>(x & low), x_high = broadcast<Longs>(x >> 32);
            for (std::size_t v = 0; v < vectors_together; ++v) {
                const Longs one =
                    multiply_low_halves(upper[v], x_low) + (multiply_low_halves(quotient[v], x_low) >> 32);
                const Longs other = multiply_low_halves(quotient[v], x_high) + (one & low);
                const Longs q = multiply_low_halves(upper[v], x_high) + (one >> 32) + (other >> 32);
                const Longs r = a[v] * x - q * modulus, reduced = r - modulus;
                store(residues + i * lanes + first + v * longs, reduced < r ? reduced : r);
            }
        }
    }
}
#else
// β = 2^64, a residue at a time with the processor's full product: vectors of 16 bytes are slower.
inline void multiply_64(std::uint64_t modulus, const std::uint64_t* multipliers, const std::uint64_t* quotients,
                        const std::int64_t* points, std::size_t count, std::uint64_t* residues) {
    for (std::size_t i = 0; i < count; ++i) {
        const auto x = static_cast<std::uint64_t>(points[i]);
        for (std::size_t l = 0; l < lanes; ++l) {
            const auto q = static_cast<std::uint64_t>((static_cast<unsigned __int128>(quotients[l]) * x) >> 64);
            const std::uint64_t r = multipliers[l] * x - q * modulus, reduced = r - modulus;
            residues[i * lanes + l] = reduced < r ? reduced : r;
        }
    }
}
#endif

void multiply_wide(std::uint64_t modulus, const std::uint64_t* multipliers, const std::uint64_t* quotients,
                   const std::int64_t* points, std::size_t count, std::uint64_t* residues) {
#if defined(__AVX512IFMA__)
    if (modulus <= std::uint64_t{1} << 51) return multiply_52(modulus, multipliers, quotients, points, count, residues);
#endif
    multiply_64(modulus, multipliers, quotients, points, count, residues);
}
