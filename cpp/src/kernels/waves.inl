// ψ(⟨a, x⟩) for ψ of period 1 (docs/theory, section 5). Part of kernels.inl.
//
// A product of two doubles is the sum of two doubles, so the fraction of a·x is found without an error but the last
// rounding, however many digits stand before its point. Fractions lie in [−1/2, 1/2].

typedef double Doubles __attribute__((vector_size(BARREN_VECTOR_BYTES)));
typedef std::int64_t Mask __attribute__((vector_size(BARREN_VECTOR_BYTES)));
constexpr std::size_t doubles = BARREN_VECTOR_BYTES / 8;

// Keeps a product from being fused with the difference that takes it: here its rounded value is meant.
inline void settle(Doubles& product) {
#if (defined(__x86_64__) || defined(_M_X64)) && BARREN_VECTOR_BYTES == 64
    __asm__("" : "+v"(product));
#elif defined(__x86_64__) || defined(_M_X64)
    __asm__("" : "+x"(product));
#elif defined(__aarch64__)
    __asm__("" : "+w"(product));
#else
    __asm__("" : "+m"(product));
#endif
}

inline Doubles magnitude(Doubles x) {
    return reinterpret_cast<Doubles>(reinterpret_cast<Longs>(x) & ~(std::uint64_t{1} << 63));
}
inline Doubles with_sign(Doubles x, Doubles sign) {
    return reinterpret_cast<Doubles>(reinterpret_cast<Longs>(x) |
                                     (reinterpret_cast<Longs>(sign) & (std::uint64_t{1} << 63)));
}

// The nearest integer.
inline Doubles rounded(Doubles x) {
#if defined(__AVX512F__)
    return reinterpret_cast<Doubles>(
        _mm512_roundscale_pd(reinterpret_cast<__m512d>(x), _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
#elif defined(__AVX2__)
    return reinterpret_cast<Doubles>(
        _mm256_round_pd(reinterpret_cast<__m256d>(x), _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
#else
    const Doubles large = broadcast<Doubles>(0x1p52), size = magnitude(x);
    Doubles shifted = size + large;
    settle(shifted);
    return with_sign(size < large ? shifted - large : size, x);
#endif
}

#if defined(__FMA__) || defined(__aarch64__) || !(defined(__x86_64__) || defined(_M_X64))
// x·y + z, rounded once.
inline Doubles fused(Doubles x, Doubles y, Doubles z) {
#if defined(__AVX512F__)
    return reinterpret_cast<Doubles>(
        _mm512_fmadd_pd(reinterpret_cast<__m512d>(x), reinterpret_cast<__m512d>(y), reinterpret_cast<__m512d>(z)));
#elif defined(__FMA__)
    return reinterpret_cast<Doubles>(
        _mm256_fmadd_pd(reinterpret_cast<__m256d>(x), reinterpret_cast<__m256d>(y), reinterpret_cast<__m256d>(z)));
#else
    Doubles out;
    for (std::size_t l = 0; l < doubles; ++l) out[l] = __builtin_fma(x[l], y[l], z[l]);
    return out;
#endif
}
// x·y − product, exact for product = x·y rounded.
inline Doubles product_error(Doubles x, Doubles y, Doubles product) { return fused(x, y, -product); }
#else
// Dekker's product, where there is no instruction for it. Sizes are below 2^990, so nothing overflows.
inline Doubles product_error(Doubles x, Doubles y, Doubles product) {
    const auto upper = [](Doubles z) {
        Doubles c = z * 134217729.0;  // 2^27 + 1
        return c - (c - z);
    };
    const Doubles x_high = upper(x), y_high = upper(y), x_low = x - x_high, y_low = y - y_high;
    return ((x_high * y_high - product) + x_high * y_low + x_low * y_high) + x_low * y_low;
}
#endif

// A fraction in [−1/2, 1/2] as a sum: the nearest double and what is left.
struct Fraction {
    Doubles near, rest;
};

inline Fraction two_sum(Doubles x, Doubles y) {
    const Doubles sum = x + y, of_y = sum - x;
    return {sum, (x - (sum - of_y)) + (y - of_y)};
}

inline Fraction fraction_of_product(Doubles a, Doubles x) {
    Doubles product = a * x;
    settle(product);
    Doubles error = product_error(a, x, product);
    error -= rounded(error);  // above 2^53 it has an integer part of its own
    const Fraction sum = two_sum(product - rounded(product), error);
    return {sum.near - rounded(sum.near), sum.rest};
}

// What the shapes without a jump inside need: the nearest double. `Small`: products are below 2^51 in size, and their
// nearest integer leaves a fraction at once; where the rounded product is half an integer it may pass 1/2 by as much as
// was rounded, at most 1/8, which sawtooth and triangle allow.
template <bool Small = false>
inline Doubles near_fraction_of_product(Doubles a, Doubles x) {
#if defined(__FMA__) || defined(__aarch64__) || !(defined(__x86_64__) || defined(_M_X64))
    const Doubles f = fused(a, x, -rounded(a * x));  // a product of 2^52 and more is its own nearest integer
    return Small ? f : f - rounded(f);
#else
    return fraction_of_product(a, x).near;
#endif
}

// The fraction of k times a number from that of the number, k < 2^52 an integer: exact for a power of two, else right
// to twice the digits of a double.
inline Fraction multiplied(Fraction fraction, Doubles k) {
    Doubles product = k * fraction.near;
    settle(product);
    const Doubles error = product_error(k, fraction.near, product) + k * fraction.rest;
    const Fraction sum = two_sum(product - rounded(product), error);
    return {sum.near - rounded(sum.near), sum.rest};
}

// Σ_j a_j·x_j, its fraction: every product exact, the sum of fractions to twice the digits of a double.
inline Fraction fraction_of_sum(const double* a, std::size_t stride, const double* x, std::size_t dimension) {
    Fraction sum{Doubles{}, Doubles{}};
    for (std::size_t j = 0; j < dimension; ++j) {
        const Fraction term = fraction_of_product(load<Doubles>(a + j * stride), broadcast<Doubles>(x[j]));
        const Fraction added = two_sum(sum.near, term.near);
        sum = {added.near, sum.rest + (added.rest + term.rest)};
    }
    const Fraction joined = two_sum(sum.near - rounded(sum.near), sum.rest);
    return {joined.near - rounded(joined.near), joined.rest};
}

// A number s = near + rest over m. Equal quotients of which s is one double give equal sums, whatever s and m are, so
// that they can be compared.
inline Fraction quotient(Fraction s, Doubles m) {
    const Doubles near = s.near / m;
    Doubles multiple = near * m;
    settle(multiple);
    const Doubles left = (s.near - multiple) - product_error(near, m, multiple);
    return two_sum(near, (left + s.rest) / m);
}

// The fraction of a·x/m for an integer m: 0, 1/2 or another fraction of two doubles exactly where it is that. |a·x| is
// below 2^51·m and |a|, |x| at most m < 2^51. What a·x leaves when it is divided by m is found without an error, since
// it has no more digits than a·x, and the quotient is rounded after that.
inline Fraction fraction_of_ratio(Doubles a, Doubles x, Doubles m) {
    Doubles product = a * x;
    settle(product);
    const Doubles error = product_error(a, x, product), whole = rounded(product / m);
    Doubles multiple = whole * m;
    settle(multiple);
    const Doubles left = (product - multiple) - product_error(whole, m, multiple);
    const Fraction sum = two_sum(left, error);
    const Doubles turns = rounded(sum.near / m);  // 0, but where the rounded quotient was next to half an integer
    return quotient(two_sum(sum.near - turns * m, sum.rest), m);
}

// cos(2πt) = sin(2π(1/4 − |t|)) for |t| <= 1/2; the polynomial is the best one of its degree, to 1.3e-18.
inline Doubles cosine_of(Doubles t) {
    const Doubles u = 0.25 - magnitude(t), z = u * u;
    Doubles sum = z * 0.10089749260476584 - 0.71773392654868177;
    sum = sum * z + 3.8199281078791121;
    sum = sum * z - 15.094641676839952;
    sum = sum * z + 42.058693925449838;
    sum = sum * z - 76.705859752825256;
    sum = sum * z + 81.605249276073618;
    sum = sum * z - 41.341702240399757;
    sum = sum * z + 6.2831853071795865;
    return u * sum;
}

inline Doubles choose(Mask which, Doubles yes, Doubles no) { return which ? yes : no; }

// Each shape is a function of the fraction; `exact` says that it needs the rest too, since it has jumps inside.
template <Shape>
struct ShapeOf;

template <>
struct ShapeOf<Shape::sawtooth> {
    static constexpr bool exact = false;
    explicit ShapeOf(const Wave& wave) : shift(wave.shift) {}
    Doubles operator()(Doubles t) const {
        const Doubles value = t - with_sign(broadcast<Doubles>(0.5), t);
        return choose(t == 0.0, Doubles{}, value) - shift;
    }
    double shift;
};

template <>
struct ShapeOf<Shape::triangle> {
    static constexpr bool exact = false;
    explicit ShapeOf(const Wave& wave) : top(1.0 - wave.shift) {}
    Doubles operator()(Doubles t) const {
        const Doubles size = magnitude(t), other = 1.0 - size;
        return top - 4.0 * choose(size < other, size, other);
    }
    double top;
};

template <>
struct ShapeOf<Shape::cosine> {
    static constexpr bool exact = false;
    explicit ShapeOf(const Wave& wave) : shift(wave.shift) {}
    Doubles operator()(Doubles t) const { return cosine_of(t) - shift; }
    double shift;
};

template <>
struct ShapeOf<Shape::threshold> {
    static constexpr bool exact = true;
    explicit ShapeOf(const Wave& wave)
        : cut(wave.cut),
          cut_rest(wave.cut_rest),
          below(wave.below),
          below_rest(wave.below_rest),
          low(-wave.shift),
          high(1.0 - wave.shift) {}
    Doubles operator()(Doubles t, Doubles rest) const {
        const Mask negative = t < 0.0;
        const Doubles from = choose(negative, broadcast<Doubles>(below), broadcast<Doubles>(cut));
        const Doubles from_rest = choose(negative, broadcast<Doubles>(below_rest), broadcast<Doubles>(cut_rest));
        const Mask reached = (t > from) | ((t == from) & (rest >= from_rest));
        return choose(reached, broadcast<Doubles>(high), broadcast<Doubles>(low));
    }
    double cut, cut_rest, below, below_rest, low, high;
};

template <>
struct ShapeOf<Shape::square> {
    static constexpr bool exact = true;
    explicit ShapeOf(const Wave& wave) : high(1.0 - wave.shift), low(-1.0 - wave.shift), middle(-wave.shift) {}
    Doubles operator()(Doubles t, Doubles rest) const {
        // Next to the jump in the middle the sign of the rest decides.
        const Doubles side = choose(magnitude(t) == 0.5, -rest, t);
        const Doubles value = choose(side > 0.0, broadcast<Doubles>(high), broadcast<Doubles>(low));
        return choose(side == 0.0, broadcast<Doubles>(middle), value);
    }
    double high, low, middle;
};

template <>
struct ShapeOf<Shape::steps> {
    static constexpr bool exact = true;
    explicit ShapeOf(const Wave& wave) : table(wave.table), size(static_cast<double>(wave.size)), shift(wave.shift) {}
    Doubles operator()(Doubles t, Doubles rest) const {
        // ⌊size·(t + rest)⌋: the nearest integer, less one if t has not reached its part of the size.
        const Doubles n = broadcast<Doubles>(size), zero{}, nearest = rounded(n * t);
        const Fraction start = quotient({nearest, zero}, n);
        const Mask before = (t < start.near) | ((t == start.near) & (rest < start.rest));
        Doubles step = choose(before, nearest - 1.0, nearest);
        step = choose(step < 0.0, step + size, step);
        // At the jump from 1 to 0 rounding may have brought it to the size itself.
        step = choose((step < size) & (step >= 0.0), step, zero);
        double places[doubles], found[doubles];
        store(places, step);
        for (std::size_t l = 0; l < doubles; ++l) found[l] = table[static_cast<std::int64_t>(places[l])];
        return load<Doubles>(found) - shift;
    }
    const double* table;
    double size, shift;
};

template <class Evaluator>
inline Doubles value_at(const Evaluator& evaluator, const Fraction& fraction) {
    if constexpr (Evaluator::exact)
        return evaluator(fraction.near, fraction.rest);
    else
        return evaluator(fraction.near);
}

// The shape at k·t.
template <Shape shape>
struct Harmonic {
    static constexpr bool exact = true;
    explicit Harmonic(const Wave& wave) : evaluator(wave), harmonic(wave.harmonic) {}
    Doubles operator()(Doubles t, Doubles rest) const {
        return value_at(evaluator, multiplied({t, rest}, broadcast<Doubles>(harmonic)));
    }
    ShapeOf<shape> evaluator;
    double harmonic;
};

template <class Visitor>
inline void with_shape(const Wave& wave, const Visitor& visitor) {
    switch (wave.shape) {
        case Shape::sawtooth:
            return visitor(ShapeOf<Shape::sawtooth>(wave));
        case Shape::cosine:
            if (wave.harmonic != 1.0) return visitor(Harmonic<Shape::cosine>(wave));
            return visitor(ShapeOf<Shape::cosine>(wave));
        case Shape::threshold:
            if (wave.harmonic != 1.0) return visitor(Harmonic<Shape::threshold>(wave));
            return visitor(ShapeOf<Shape::threshold>(wave));
        case Shape::square:
            return visitor(ShapeOf<Shape::square>(wave));
        case Shape::triangle:
            return visitor(ShapeOf<Shape::triangle>(wave));
        case Shape::steps:
            return visitor(ShapeOf<Shape::steps>(wave));
    }
}

inline void store_values(double* out, Doubles values) { store(out, values); }
inline void store_values(float* out, Doubles values) {
    typedef float Floats __attribute__((vector_size(BARREN_VECTOR_BYTES / 2)));
    store(out, __builtin_convertvector(values, Floats));
}

// Cosines at frequencies in arithmetic progression: cos(θ + δ) = 2·cos δ·cos θ − cos(θ − δ) with δ the phase from one
// vector of lanes to the next. After `run` vectors it starts anew, so that errors grow by no more than about run².
template <bool First, class T>
inline void ordered_cosines(const Wave& wave, const double* frequencies, const double* points, std::size_t count,
                            T* values) {
    constexpr std::size_t run = 6, vectors = lanes / doubles;
    static_assert(vectors % run == 0, "the lanes of a group are whole runs");
    Wave unshifted = wave;
    unshifted.shift = 0.0;
    const ShapeOf<Shape::cosine> of_fraction(unshifted);
    const Harmonic<Shape::cosine> of_multiple(unshifted);
    const auto cosine = [&](Doubles a, Doubles x) {
        if constexpr (First)
            return of_fraction(near_fraction_of_product(a, x));
        else
            return value_at(of_multiple, fraction_of_product(a, x));
    };
    const double stride = (frequencies[1] - frequencies[0]) * static_cast<double>(doubles);
    for (std::size_t first = 0; first < count; first += doubles) {
        const std::size_t size = first + doubles < count ? doubles : count - first;
        double padded[doubles] = {}, twice[doubles];
        __builtin_memcpy(padded, points + first, size * sizeof(double));
        store(twice, 2.0 * cosine(broadcast<Doubles>(stride), load<Doubles>(padded)));
        for (std::size_t i = 0; i < size; ++i) {
            const Doubles x = broadcast<Doubles>(padded[i]), factor = broadcast<Doubles>(twice[i]);
            T* out = values + (first + i) * lanes;
            for (std::size_t v = 0; v < vectors; v += run) {
                const double* a = frequencies + v * doubles;
                Doubles before = cosine(load<Doubles>(a), x);
                Doubles here = cosine(load<Doubles>(a + doubles), x);
                store_values(out + v * doubles, before - wave.shift);
                store_values(out + (v + 1) * doubles, here - wave.shift);
                for (std::size_t k = 2; k < run; ++k) {
                    const Doubles next = factor * here - before;
                    before = here;
                    here = next;
                    store_values(out + (v + k) * doubles, here - wave.shift);
                }
            }
        }
    }
}

template <class T>
void waves(const Wave& wave, const double* frequencies, std::size_t dimension, bool ordered, double divisor,
           const double* points, std::size_t count, T* values) {
    if (ordered && wave.shape == Shape::cosine) {
        if (wave.harmonic == 1.0) return ordered_cosines<true>(wave, frequencies, points, count, values);
        return ordered_cosines<false>(wave, frequencies, points, count, values);
    }
    with_shape(wave, [&](const auto evaluator) {
        if (dimension != 1) {
            for (std::size_t i = 0; i < count; ++i)
                for (std::size_t l = 0; l < lanes; l += doubles)
                    store_values(values + i * lanes + l,
                                 value_at(evaluator,
                                          fraction_of_sum(frequencies + l, lanes, points + i * dimension, dimension)));
            return;
        }
        if (divisor != 1.0) {
            const Doubles m = broadcast<Doubles>(divisor);
            for (std::size_t i = 0; i < count; ++i)
                for (std::size_t l = 0; l < lanes; l += doubles)
                    store_values(values + i * lanes + l,
                                 value_at(evaluator, fraction_of_ratio(load<Doubles>(frequencies + l),
                                                                       broadcast<Doubles>(points[i]), m)));
            return;
        }
        constexpr std::size_t n = vectors_together;
        for (std::size_t first = 0; first < lanes; first += n * doubles) {
            Doubles a[n];
            for (std::size_t v = 0; v < n; ++v) a[v] = load<Doubles>(frequencies + first + v * doubles);
            for (std::size_t i = 0; i < count; ++i) {
                const Doubles x = broadcast<Doubles>(points[i]);
                for (std::size_t v = 0; v < n; ++v) {
                    T* out = values + i * lanes + first + v * doubles;
                    if constexpr (decltype(evaluator)::exact)
                        store_values(out, value_at(evaluator, fraction_of_product(a[v], x)));
                    else
                        store_values(out, evaluator(near_fraction_of_product(a[v], x)));
                }
            }
        }
    });
}

template <bool Small, std::size_t Columns, class T, class Evaluator>
inline void waves_and_multiply_in_registers(const Evaluator evaluator, const double* frequencies, const double* points,
                                            const T* columns, std::size_t count, double* sums) {
    constexpr std::size_t n = BARREN_VECTOR_BYTES == 64 && Columns == 1 ? 2 * vectors_together : vectors_together;
    for (std::size_t first = 0; first < lanes; first += n * doubles) {
        Doubles a[n], partial[Columns][n];
        for (std::size_t v = 0; v < n; ++v) {
            a[v] = load<Doubles>(frequencies + first + v * doubles);
            for (std::size_t c = 0; c < Columns; ++c)
                partial[c][v] = load<Doubles>(sums + c * lanes + first + v * doubles);
        }
        for (std::size_t i = 0; i < count; ++i) {
            const Doubles x = broadcast<Doubles>(points[i]);
            for (std::size_t v = 0; v < n; ++v) {
                Doubles value;
                if constexpr (Evaluator::exact)
                    value = value_at(evaluator, fraction_of_product(a[v], x));
                else
                    value = evaluator(near_fraction_of_product<Small>(a[v], x));
                for (std::size_t c = 0; c < Columns; ++c)
                    partial[c][v] += value * static_cast<double>(columns[i * Columns + c]);
            }
        }
        for (std::size_t c = 0; c < Columns; ++c)
            for (std::size_t v = 0; v < n; ++v) store(sums + c * lanes + first + v * doubles, partial[c][v]);
    }
}

template <class T>
void waves_and_multiply(const Wave& wave, const double* frequencies, bool small, const double* points, const T* columns,
                        std::size_t width, std::size_t count, double* sums) {
    with_shape(wave, [&](const auto evaluator) {
        if (width == 1 && small)
            waves_and_multiply_in_registers<true, 1>(evaluator, frequencies, points, columns, count, sums);
        else if (width == 1)
            waves_and_multiply_in_registers<false, 1>(evaluator, frequencies, points, columns, count, sums);
        else
            waves_and_multiply_in_registers<false, 2>(evaluator, frequencies, points, columns, count, sums);
    });
}
