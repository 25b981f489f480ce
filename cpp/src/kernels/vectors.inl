// Vector types of BARREN_VECTOR_BYTES bytes. Part of kernels.inl.

template <class T, std::size_t Bytes>
struct VectorOf {
    typedef T type __attribute__((vector_size(Bytes)));
};

// How many vectors of sums a column gets: with `together` columns they fill the register file beside the values.
constexpr std::size_t vectors_together = 3;
#if BARREN_VECTOR_BYTES == 64 || defined(__aarch64__)
constexpr std::size_t together = 8;  // 24 sums of 32 registers
#else
constexpr std::size_t together = 4;  // 12 sums of 16 registers
#endif

// The vectors for values of type T, and residues of 32 bits in as many lanes.
template <class T>
struct Lanes {
    static constexpr std::size_t width = BARREN_VECTOR_BYTES / sizeof(T);
    using Values = typename VectorOf<T, BARREN_VECTOR_BYTES>::type;
    using Residues = typename VectorOf<std::uint32_t, width * 4>::type;
    using Centred = typename VectorOf<std::int32_t, width * 4>::type;
};

template <class V>
inline V load(const void* source) {
    V vector;
    __builtin_memcpy(&vector, source, sizeof(V));
    return vector;
}

template <class V>
inline void store(void* target, const V& vector) {
    __builtin_memcpy(target, &vector, sizeof(V));
}

template <class V, class S>
inline V broadcast(S value) {
    return V{} + value;
}

template <std::size_t Value>
struct Constant {
    static constexpr std::size_t value = Value;
};

typedef std::uint32_t Words __attribute__((vector_size(BARREN_VECTOR_BYTES)));
typedef std::uint64_t Longs __attribute__((vector_size(BARREN_VECTOR_BYTES)));
constexpr std::size_t words = BARREN_VECTOR_BYTES / 4, longs = BARREN_VECTOR_BYTES / 8;

// The product of the low halves of each 64 bits.
inline Longs multiply_low_halves(Longs x, Longs y) {
#if defined(__x86_64__) || defined(_M_X64)
#if BARREN_VECTOR_BYTES == 64
    return reinterpret_cast<Longs>(_mm512_mul_epu32(reinterpret_cast<__m512i>(x), reinterpret_cast<__m512i>(y)));
#elif BARREN_VECTOR_BYTES == 32
    return reinterpret_cast<Longs>(_mm256_mul_epu32(reinterpret_cast<__m256i>(x), reinterpret_cast<__m256i>(y)));
#else
    return reinterpret_cast<Longs>(_mm_mul_epu32(reinterpret_cast<__m128i>(x), reinterpret_cast<__m128i>(y)));
#endif
#else
    constexpr std::uint64_t low = 0xffffffff;
    return (x & low) * (y & low);
#endif
}
