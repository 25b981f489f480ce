// ψ in registers, from residues of 32 bits (m < 2^31, so that s = 2t − m fits in 32 bits with its sign) and of 64.
// Part of kernels.inl.

template <class T, Form>
struct Evaluator;

// What the forms in registers share. Comparisons are made on s in integers for float, whose digits may not hold s, and
// on s converted for double, which holds it exactly; so a mask has the width of the values either way.
template <class T>
struct Registers {
    using V = typename Lanes<T>::Values;
    using R = typename Lanes<T>::Residues;
    using S = typename Lanes<T>::Centred;

    explicit Registers(const Psi<T>& psi) : modulus(static_cast<std::uint32_t>(psi.modulus)) {}

    S centred(R t) const { return reinterpret_cast<S>(t + t - modulus); }
    static V converted(S s) { return __builtin_convertvector(s, V); }
    static S key(S s, const float*) { return s; }
    static V key(S s, const double*) { return converted(s); }
    static auto key(S s) { return key(s, static_cast<const T*>(nullptr)); }

    std::uint32_t modulus;
};
template <class T>
struct KeyOf;
template <>
struct KeyOf<float> {
    using type = std::int32_t;
};
template <>
struct KeyOf<double> {
    using type = double;
};
template <class T>
using Key = typename KeyOf<T>::type;

template <class T>
struct Evaluator<T, Form::linear> : Registers<T> {
    using Base = Registers<T>;
    explicit Evaluator(const Psi<T>& psi)
        : Base(psi), slope(static_cast<T>(psi.slope)), intercept(static_cast<T>(psi.intercept)) {}
    typename Base::V operator()(typename Base::R t) const {
        // At t = 0 the slope is left out, which is cheaper than to choose between two values.
        return Base::converted(t == 0 ? typename Base::S{} : Base::centred(t)) * slope + intercept;
    }
    T slope, intercept;
};

template <class T>
struct Evaluator<T, Form::folded> : Registers<T> {
    using Base = Registers<T>;
    explicit Evaluator(const Psi<T>& psi)
        : Base(psi), slope(static_cast<T>(psi.slope)), intercept(static_cast<T>(psi.intercept)) {}
    typename Base::V operator()(typename Base::R t) const {
        const auto s = Base::centred(t);
        return Base::converted(s < 0 ? -s : s) * slope + intercept;
    }
    T slope, intercept;
};

template <class T>
struct Evaluator<T, Form::threshold> : Registers<T> {
    using Base = Registers<T>;
    explicit Evaluator(const Psi<T>& psi)
        : Base(psi),
          low(static_cast<T>(psi.low)),
          high(static_cast<T>(psi.high)),
          cut(static_cast<Key<T>>(static_cast<std::int64_t>(2 * psi.parameter - psi.modulus))) {}
    typename Base::V operator()(typename Base::R t) const {
        return Base::key(Base::centred(t)) < cut ? broadcast<typename Base::V>(low) : broadcast<typename Base::V>(high);
    }
    T low, high;
    Key<T> cut;
};

template <class T>
struct Evaluator<T, Form::sign> : Registers<T> {
    using Base = Registers<T>;
    explicit Evaluator(const Psi<T>& psi)
        : Base(psi),
          low(static_cast<T>(psi.low)),
          high(static_cast<T>(psi.high)),
          middle(static_cast<T>(psi.middle)),
          zero(static_cast<Key<T>>(-static_cast<std::int64_t>(psi.modulus))) {}
    typename Base::V operator()(typename Base::R t) const {
        using V = typename Base::V;
        const auto s = Base::key(Base::centred(t));
        const V value = s < 0 ? broadcast<V>(high) : broadcast<V>(low);
        return ((s == zero) | (s == 0)) ? broadcast<V>(middle) : value;
    }
    T low, high, middle;
    Key<T> zero;
};

template <class T>
struct Evaluator<T, Form::bit> : Registers<T> {
    using Base = Registers<T>;
    explicit Evaluator(const Psi<T>& psi)
        : Base(psi),
          slope(static_cast<T>(psi.slope)),
          intercept(static_cast<T>(psi.intercept)),
          shift(psi.parameter < 31 ? static_cast<std::uint32_t>(psi.parameter) : 31) {}
    typename Base::V operator()(typename Base::R t) const {
        return Base::converted(reinterpret_cast<typename Base::S>((t >> shift) & 1)) * slope + intercept;
    }
    T slope, intercept;
    std::uint32_t shift;  // a residue is below 2^31, so bit 31 is as good as any above
};

// Look-ups one by one, the indices read back two at a time: on the processors at hand a gather instruction is slower.
template <class T>
struct Evaluator<T, Form::table> {
    using V = typename Lanes<T>::Values;
    using R = typename Lanes<T>::Residues;
    explicit Evaluator(const Psi<T>& psi) : table(psi.table) {}
    V operator()(R t) const {
        std::uint64_t pairs[Lanes<T>::width / 2];
        T found[Lanes<T>::width];
        store(pairs, t);
        for (std::size_t l = 0; l < Lanes<T>::width; l += 2) {
            constexpr bool little_endian = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__;
            const std::uint64_t pair = pairs[l / 2], low = pair & 0xffffffff, high = pair >> 32;
            found[l] = table[little_endian ? low : high];
            found[l + 1] = table[little_endian ? high : low];
        }
        return load<V>(found);
    }
    const T* table;
};

// Calls visitor(evaluator) with the evaluator of this form, so that the choice is made outside the loop.
template <class T, class Visitor>
inline void with_registers(const Psi<T>& psi, const Visitor& visitor) {
    switch (psi.form) {
        case Form::table:
            break;
        case Form::linear:
            return visitor(Evaluator<T, Form::linear>(psi));
        case Form::folded:
            return visitor(Evaluator<T, Form::folded>(psi));
        case Form::threshold:
            return visitor(Evaluator<T, Form::threshold>(psi));
        case Form::sign:
            return visitor(Evaluator<T, Form::sign>(psi));
        case Form::bit:
            return visitor(Evaluator<T, Form::bit>(psi));
    }
}

template <class T, class Visitor>
inline void with_evaluator(const Psi<T>& psi, const Visitor& visitor) {
    if (psi.form == Form::table)
        visitor(Evaluator<T, Form::table>(psi));
    else
        with_registers(psi, visitor);
}

// values[i] = ψ(residues[i]); size is a multiple of the vectors' width.
template <class T>
void evaluate_narrow(const Psi<T>& psi, const std::uint32_t* residues, std::size_t size, T* values) {
    using R = typename Lanes<T>::Residues;
    with_evaluator(psi, [&](const auto evaluator) {
        for (std::size_t i = 0; i < size; i += Lanes<T>::width) store(values + i, evaluator(load<R>(residues + i)));
    });
}

// s as a double, rounded once. AVX2 has no instruction for 64 bits, but for the halves, whose conversions are exact.
inline double real(std::int64_t s) {
#if BARREN_VECTOR_BYTES == 32
    const auto low = static_cast<std::int32_t>(static_cast<std::uint32_t>(s) ^ 0x80000000u);
    return double(static_cast<std::int32_t>(s >> 32)) * 0x1p32 + (double(low) + 0x1p31);
#else
    return double(s);
#endif
}

// The same for residues of 64 bits, in plain loops that the compiler turns into vectors where there are instructions
// for it.
template <class T>
void evaluate_wide(const Psi<T>& psi, const std::uint64_t* residues, std::size_t size, T* values) {
    using I = std::int64_t;
    const auto modulus = static_cast<I>(psi.modulus), parameter = static_cast<I>(psi.parameter);
    const double slope = psi.slope, intercept = psi.intercept, low = psi.low, high = psi.high, middle = psi.middle;
    const auto each = [&](const auto& value) {
        for (std::size_t i = 0; i < size; ++i) {
            const auto t = static_cast<I>(residues[i]);
            values[i] = static_cast<T>(value(t, t - (modulus - t)));
        }
    };
    switch (psi.form) {
        case Form::table:
            for (std::size_t i = 0; i < size; ++i) values[i] = psi.table[residues[i]];
            return;
        case Form::linear:
            return each([=](I t, I s) { return real(s & -I(t != 0)) * slope + intercept; });  // no branch
        case Form::folded:
            return each([=](I, I s) { return real(s < 0 ? -s : s) * slope + intercept; });
        case Form::threshold:
            return each([=](I t, I) { return t < parameter ? low : high; });
        case Form::sign:
            return each([=](I t, I s) { return t == 0 || s == 0 ? middle : s < 0 ? high : low; });
        case Form::bit:
            return each([=](I t, I) { return real((t >> parameter) & 1) * slope + intercept; });
    }
}
