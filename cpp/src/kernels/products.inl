// Blocks of ψ for consecutive points, and their products with Jacobian columns. Part of kernels.inl.

// Calls body(vectors, first lane) for as many whole sets of vectors as cover `active` lanes.
template <class T, class Body>
inline void over_lanes(std::size_t active, const Body& body) {
    constexpr std::size_t width = Lanes<T>::width;
    std::size_t first = 0;
    for (; first + 2 * width < active; first += vectors_together * width) body(Constant<vectors_together>{}, first);
    if (first + width < active)
        body(Constant<2>{}, first);
    else if (first < active)
        body(Constant<1>{}, first);
}

// Adds sums of one column, a vector after another, to their float64 totals.
template <class T, std::size_t Vectors>
inline void add_to(double* totals, const typename Lanes<T>::Values* sums) {
    T stored[Vectors * Lanes<T>::width];
    __builtin_memcpy(stored, sums, sizeof(stored));
    for (std::size_t l = 0; l < Vectors * Lanes<T>::width; ++l) totals[l] += static_cast<double>(stored[l]);
}

// One step of consecutive points: r + a, less m where that is needed. r, a < m < 2^31, so r + a does not wrap and
// r + a − m wraps exactly when nothing is to be subtracted.
template <class R>
inline R stepped(R r, R a, std::uint32_t modulus) {
    const R sum = r + a, reduced = sum - modulus;
    return reduced < sum ? reduced : sum;
}

template <class T>
void step(const Psi<T>& psi, const std::uint32_t* multipliers, std::uint32_t* residues, std::size_t count, T* values) {
    using R = typename Lanes<T>::Residues;
    constexpr std::size_t width = Lanes<T>::width;
    const auto modulus = static_cast<std::uint32_t>(psi.modulus);
    with_evaluator(psi, [&](const auto evaluator) {
        over_lanes<T>(lanes, [&](auto vectors, std::size_t first) {
            constexpr std::size_t n = decltype(vectors)::value;
            R r[n], a[n];
            for (std::size_t v = 0; v < n; ++v) {
                r[v] = load<R>(residues + first + v * width);
                a[v] = load<R>(multipliers + first + v * width);
            }
            for (std::size_t i = 0; i < count; ++i)
                for (std::size_t v = 0; v < n; ++v) {
                    store(values + i * lanes + first + v * width, evaluator(r[v]));
                    r[v] = stepped(r[v], a[v], modulus);
                }
            for (std::size_t v = 0; v < n; ++v) store(residues + first + v * width, r[v]);
        });
    });
}

// `Columns` columns and `Vectors` vectors of lanes: every sum in a register.
template <class T, std::size_t Columns, std::size_t Vectors>
inline void multiply_in_registers(const T* values, std::size_t stride, const T* columns, std::size_t width,
                                  std::size_t count, double* sums) {
    using V = typename Lanes<T>::Values;
    V partial[Columns][Vectors] = {};
    for (std::size_t i = 0; i < count; ++i) {
        V value[Vectors];
        for (std::size_t v = 0; v < Vectors; ++v) value[v] = load<V>(values + i * stride + v * Lanes<T>::width);
        for (std::size_t c = 0; c < Columns; ++c) {
            const T column = columns[i * width + c];
            for (std::size_t v = 0; v < Vectors; ++v) partial[c][v] += value[v] * column;
        }
    }
    for (std::size_t c = 0; c < Columns; ++c) add_to<T, Vectors>(sums + c * lanes, partial[c]);
}

template <class T>
void multiply(const T* values, std::size_t stride, std::size_t active, const T* columns, std::size_t width,
              std::size_t count, double* sums) {
    const auto over_columns = [&](auto fitting) {
        constexpr std::size_t n = decltype(fitting)::value;
        for (std::size_t c = 0; c < width; c += n)
            over_lanes<T>(active, [&](auto vectors, std::size_t first) {
                multiply_in_registers<T, n, decltype(vectors)::value>(values + first, stride, columns + c, width, count,
                                                                      sums + c * lanes + first);
            });
    };
    if (width == 1)
        over_columns(Constant<1>{});
    else if (width == 2)
        over_columns(Constant<2>{});
    else if (width == 4)
        over_columns(Constant<4>{});
    else
        over_columns(Constant<together>{});
}

template <class T, std::size_t Columns, std::size_t Vectors, class E>
inline void step_and_multiply_in_registers(const E evaluator, std::uint32_t modulus, const std::uint32_t* multipliers,
                                           std::uint32_t* residues, const T* columns, std::size_t count, double* sums) {
    using V = typename Lanes<T>::Values;
    using R = typename Lanes<T>::Residues;
    constexpr std::size_t width = Lanes<T>::width;
    R r[Vectors], a[Vectors];
    for (std::size_t v = 0; v < Vectors; ++v) {
        r[v] = load<R>(residues + v * width);
        a[v] = load<R>(multipliers + v * width);
    }
    V partial[Columns][Vectors] = {};
    for (std::size_t i = 0; i < count; ++i)
        for (std::size_t v = 0; v < Vectors; ++v) {
            const V value = evaluator(r[v]);
            r[v] = stepped(r[v], a[v], modulus);
            for (std::size_t c = 0; c < Columns; ++c) partial[c][v] += value * columns[i * Columns + c];
        }
    for (std::size_t v = 0; v < Vectors; ++v) store(residues + v * width, r[v]);
    for (std::size_t c = 0; c < Columns; ++c) add_to<T, Vectors>(sums + c * lanes, partial[c]);
}

template <class T>
void step_and_multiply(const Psi<T>& psi, const std::uint32_t* multipliers, std::uint32_t* residues, std::size_t active,
                       const T* columns, std::size_t width, std::size_t count, double* sums) {
    const auto modulus = static_cast<std::uint32_t>(psi.modulus);
    with_registers(psi, [&](const auto evaluator) {
        over_lanes<T>(active, [&](auto vectors, std::size_t first) {
            constexpr std::size_t n = decltype(vectors)::value;
            if (width == 1)
                step_and_multiply_in_registers<T, 1, n>(evaluator, modulus, multipliers + first, residues + first,
                                                        columns, count, sums + first);
            else
                step_and_multiply_in_registers<T, 2, n>(evaluator, modulus, multipliers + first, residues + first,
                                                        columns, count, sums + first);
        });
    });
}
