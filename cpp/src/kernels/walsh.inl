// Butterflies of the Walsh–Hadamard transform. Part of kernels.inl.

using Doubles = typename Lanes<double>::Values;

// x, y <- x + y, x − y for `run` numbers each.
inline void butterfly(double* x, double* y, std::size_t run) {
    constexpr std::size_t width = Lanes<double>::width;
    std::size_t i = 0;
    for (; i + width <= run; i += width) {
        const auto a = load<Doubles>(x + i), b = load<Doubles>(y + i);
        store(x + i, a + b);
        store(y + i, a - b);
    }
    for (; i < run; ++i) {
        const double a = x[i], b = y[i];
        x[i] = a + b;
        y[i] = a - b;
    }
}

// Two levels at once, of four runs that follow one another: half the loads and stores.
inline void butterflies(double* x, std::size_t run) {
    constexpr std::size_t width = Lanes<double>::width;
    double *y = x + run, *z = y + run, *w = z + run;
    std::size_t i = 0;
    for (; i + width <= run; i += width) {
        const auto a = load<Doubles>(x + i), b = load<Doubles>(y + i);
        const auto c = load<Doubles>(z + i), d = load<Doubles>(w + i);
        const auto sum = a + b, difference = a - b, other_sum = c + d, other_difference = c - d;
        store(x + i, sum + other_sum);
        store(y + i, difference + other_difference);
        store(z + i, sum - other_sum);
        store(w + i, difference - other_difference);
    }
    for (; i < run; ++i) {
        const double sum = x[i] + y[i], difference = x[i] - y[i], other_sum = z[i] + w[i],
                     other_difference = z[i] - w[i];
        x[i] = sum + other_sum;
        y[i] = difference + other_difference;
        z[i] = sum - other_sum;
        w[i] = difference - other_difference;
    }
}

void walsh(double* rows, std::size_t levels, std::size_t width) {
    const std::size_t size = width << levels;
    std::size_t run = width;
    if (levels % 2 == 1) {
        for (std::size_t first = 0; first < size; first += 2 * run) butterfly(rows + first, rows + first + run, run);
        run *= 2;
    }
    for (; run < size; run *= 4)
        for (std::size_t first = 0; first < size; first += 4 * run) butterflies(rows + first, run);
}
