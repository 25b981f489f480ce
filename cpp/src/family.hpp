// Blocks of ψ(a·x) for groups of multipliers, from whichever kernel makes them fastest. Shared by values, responses and
// quadratic forms; no part of the core's surface.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "barren/dispatch.hpp"
#include "barren/responses.hpp"
#include "blocks.hpp"

namespace barren {

// Throws std::invalid_argument unless multipliers and points lie in 0..m-1 and the target is complete.
template <class T>
void check(const Family<T>& family, const Execution& execution);

// ψ − shift as the kernels compute it; false if it has no such form (cosine without a table).
template <class T>
bool in_kernels(const Target<T>& target, std::uint64_t modulus, Psi<T>& psi);

// The groups of a family: `lanes` multipliers each. A last group that is not full repeats its first multiplier; the
// caller drops those lanes.
template <class T>
class Groups {
  public:
    explicit Groups(const Family<T>& family);

    std::size_t count() const { return divide_up(family_.multipliers.size, lanes); }
    std::size_t size(std::size_t group) const { return std::min(lanes, family_.multipliers.size - group * lanes); }
    static constexpr std::size_t stride = lanes;

    // Whether products with few columns are best made without storing values.
    bool fuses(std::size_t columns) const {
        return consecutive_ && formed_ && psi_.form != Form::table && columns <= 2;
    }

    // Runs along the points for one group.
    class Cursor {
      public:
        Cursor(const Groups& groups, std::size_t group, std::size_t first);

        // ψ at the next `count` ≤ chunk points, written to `scratch` of chunk·lanes entries: entry i·lanes + l for the
        // l-th multiplier.
        const T* next(std::size_t count, T* scratch);
        // sums[c·lanes + l] += Σ ψ·columns over the next points, where fuses().
        void multiply_next(const T* columns, std::size_t width, std::size_t count, double* sums);

      private:
        void by_products(const std::int64_t* points, std::size_t count, T* values) const;

        const Groups* groups_;
        std::size_t active_, position_;
        std::uint64_t multipliers_[lanes], quotients_[lanes];           // wide, or not consecutive
        std::uint32_t steps_[lanes], residues_[lanes], narrow_[lanes];  // m < 2^31
    };

  private:
    const Family<T>& family_;
    Psi<T> psi_;
    bool formed_, narrow_, consecutive_;
};

}  // namespace barren
