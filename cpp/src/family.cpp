#include "family.hpp"

#include <string>
#include <utility>

#include "barren/errors.hpp"
#include "barren/modular.hpp"

namespace barren {
namespace {

constexpr std::uint64_t narrow_limit = std::uint64_t{1} << 31;

}  // namespace

template <class T>
void check(const Family<T>& family, const Execution& execution) {
    barren::check(family.target, family.modulus);
    constexpr std::size_t block = std::size_t{1} << 20;
    for (const auto& [entries, name] : {std::pair{family.multipliers, "multipliers"}, {family.points, "points"}})
        parallel_for(divide_up(entries.size, block), execution,
                     [&, &list = entries, &word = name](std::size_t task, int, Progress&) {
                         bool inside = true;
                         for (std::size_t i = task * block; i < std::min(list.size, (task + 1) * block); ++i)
                             inside &= static_cast<std::uint64_t>(list[i]) < family.modulus;  // a negative one is large
                         require(inside, std::string(word) + " must lie in 0..modulus-1");
                     });
}

template <class T>
bool in_kernels(const Target<T>& target, std::uint64_t modulus, Psi<T>& psi) {
    const double m = static_cast<double>(modulus), shift = target.shift;
    psi.modulus = modulus;
    psi.table = target.table.data;
    psi.parameter = target.parameter;
    if (target.table.size != 0) return true;
    switch (target.formula) {
        case Formula::table:
        case Formula::cosine:
            return false;
        case Formula::sawtooth:
            psi.form = Form::linear;
            psi.slope = 0.5 / m;
            psi.intercept = -shift;
            return true;
        case Formula::triangle:
            psi.form = Form::folded;
            psi.slope = 2.0 / m;
            psi.intercept = -1.0 - shift;
            return true;
        case Formula::bit:
            psi.form = Form::bit;
            psi.slope = 1.0;
            psi.intercept = -shift;
            return true;
        case Formula::threshold:
            psi.form = Form::threshold;
            psi.low = -shift;
            psi.high = 1.0 - shift;
            psi.parameter = std::min(target.parameter, modulus);
            return true;
        case Formula::square:
            psi.form = Form::sign;
            psi.low = -1.0 - shift;
            psi.high = 1.0 - shift;
            psi.middle = -shift;
            return true;
    }
    return false;
}

template <class T>
Groups<T>::Groups(const Family<T>& family)
    : family_(family),
      formed_(in_kernels(family.target, family.modulus, psi_)),
      narrow_(family.modulus < narrow_limit),
      consecutive_(narrow_ && formed_ && consecutive(family.points)) {}

template <class T>
Groups<T>::Cursor::Cursor(const Groups& groups, std::size_t group, std::size_t first)
    : groups_(&groups), active_(groups.size(group)), position_(first) {
    const std::uint64_t m = groups.family_.modulus;
    for (std::size_t l = 0; l < lanes; ++l) {
        const std::size_t member = group * lanes + (l < active_ ? l : 0);
        const auto a = static_cast<std::uint64_t>(groups.family_.multipliers[member]);
        multipliers_[l] = a;
        if (groups.narrow_) {  // a·x < 2^62
            steps_[l] = static_cast<std::uint32_t>(a);
            residues_[l] = static_cast<std::uint32_t>(a * static_cast<std::uint64_t>(groups.family_.points[first]) % m);
            narrow_[l] = static_cast<std::uint32_t>((a << 32) / m);
        } else {
            quotients_[l] = static_cast<std::uint64_t>((static_cast<unsigned __int128>(a) << 64) / m);
        }
    }
}

template <class T>
const T* Groups<T>::Cursor::next(std::size_t count, T* scratch) {
    if (groups_->consecutive_)
        kernels().of<T>().step(groups_->psi_, steps_, residues_, count, scratch);
    else
        by_products(groups_->family_.points.data + position_, count, scratch);
    position_ += count;
    return scratch;
}

template <class T>
void Groups<T>::Cursor::multiply_next(const T* columns, std::size_t width, std::size_t count, double* sums) {
    kernels().of<T>().step_and_multiply(groups_->psi_, steps_, residues_, active_, columns, width, count, sums);
    position_ += count;
}

template <class T>
void Groups<T>::Cursor::by_products(const std::int64_t* points, std::size_t count, T* values) const {
    const Psi<T>& psi = groups_->psi_;
    const auto& set = kernels();
    // A few points at a time, so that their residues stay in the nearest cache.
    constexpr std::size_t piece = 32;
    for (std::size_t first = 0; groups_->formed_ && first < count; first += piece) {
        const std::size_t size = std::min(piece, count - first);
        T* out = values + first * lanes;
        if (groups_->narrow_) {
            alignas(64) std::uint32_t residues[piece * lanes];
            set.multiply_narrow(static_cast<std::uint32_t>(psi.modulus), steps_, narrow_, points + first, size,
                                residues);
            set.of<T>().evaluate_narrow(psi, residues, size * lanes, out);
        } else {
            alignas(64) std::uint64_t residues[piece * lanes];
            set.multiply_wide(psi.modulus, multipliers_, quotients_, points + first, size, residues);
            set.of<T>().evaluate_wide(psi, residues, size * lanes, out);
        }
    }
    if (groups_->formed_) return;
    visit(groups_->family_.target, psi.modulus, [&](auto value) {
        for (std::size_t l = 0; l < lanes; ++l) {
            const FixedMultiplier times_a(multipliers_[l], psi.modulus);
            for (std::size_t i = 0; i < count; ++i) {
                const auto x = static_cast<std::uint64_t>(points[i]);
                // A sine is dear, so lanes that nobody asked for are left out.
                const double psi_of_x = l < active_ ? value(times_a(x)) - groups_->family_.target.shift : 0.0;
                values[i * lanes + l] = static_cast<T>(psi_of_x);
            }
        }
    });
}

template void check(const Family<float>&, const Execution&);
template void check(const Family<double>&, const Execution&);
template class Groups<float>;
template class Groups<double>;

}  // namespace barren
