#include "barren/frequencies.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <string>
#include <utility>

#include "barren/errors.hpp"
#include "family.hpp"
#include "sums.hpp"

namespace barren {
namespace {

constexpr double largest_size = 0x1p990;     // so that no product in a kernel overflows
constexpr double largest_product = 0x1p106;  // from here on a product of two doubles is an integer
constexpr double least_product = 0x1p-968;   // from here on what rounding takes off a product is a double
constexpr double small_product = 0x1p51;     // below it rounding leaves a fraction at once
constexpr double largest_divisor = 0x1p51;   // so that quotients of products are below it
constexpr double largest_ordered = 0x1p52;

// The largest entry of a column, by size, and the least that is not 0.
struct Sizes {
    double largest = 0.0, least = std::numeric_limits<double>::infinity();
};

// Those of each column; all entries must be finite.
std::vector<Sizes> sizes(Matrix<const double> matrix, const char* name, const Execution& execution) {
    std::vector<Sizes> out(matrix.columns);
    serial_for(matrix.rows, execution, [&](std::size_t i) {
        for (std::size_t j = 0; j < matrix.columns; ++j) {
            const double size = std::abs(matrix.row(i)[j]);
            require(size <= largest_size, std::string(name) + " must be finite, and below 2^990 in size");
            out[j].largest = std::max(out[j].largest, size);
            if (size != 0.0) out[j].least = std::min(out[j].least, size);
        }
    });
    return out;
}

// Whether ψ jumps at 0 or anywhere, so that the sign of a product counts however small it is.
bool jumps(Shape shape) { return shape != Shape::cosine && shape != Shape::triangle; }

// Throws std::invalid_argument for a family that is none; returns what no |⟨a, x⟩| exceeds.
double check(const FrequencyFamily& family, const Execution& execution) {
    require(family.frequencies.columns == family.points.columns && family.points.columns > 0,
            "frequencies and points must have as many columns, at least one");
    require(!family.terms.empty() && std::isfinite(family.shift), "waves must be at least one, and shift finite");
    for (const auto& [coefficient, wave] : family.terms) {
        require(wave.shape != Shape::steps || (wave.size >= 1 && wave.size < (std::size_t{1} << 31)),
                "a step function needs a table of fewer than 2^31 values");
        require(std::isfinite(coefficient), "coefficients must be finite");
        require(std::abs(wave.harmonic) < largest_ordered && wave.harmonic == std::floor(wave.harmonic),
                "harmonics must be integers below 2^52");
        require(wave.harmonic == 1.0 || wave.shape == Shape::cosine || wave.shape == Shape::threshold,
                "harmonics are of cosines and thresholds");
    }
    require(family.divisor >= 1.0 && family.divisor < largest_divisor && family.divisor == std::floor(family.divisor),
            "divisor must be an integer from 1 on, below 2^51");
    require(family.divisor == 1.0 || family.points.columns == 1, "a divisor goes with one column");
    const auto frequencies = sizes(family.frequencies, "frequencies", execution);
    const auto points = sizes(family.points, "points", execution);
    const bool jump =
        std::any_of(family.terms.begin(), family.terms.end(), [](const WaveTerm& t) { return jumps(t.wave.shape); });
    double product = 0.0;
    for (std::size_t j = 0; j < points.size(); ++j) {
        product += frequencies[j].largest * points[j].largest;
        require(family.divisor == 1.0 || std::max(frequencies[j].largest, points[j].largest) <= family.divisor,
                "frequencies and points must not be larger than the divisor");
        const double least = frequencies[j].least * points[j].least / family.divisor;
        require(!jump || least != 0.0,
                "products of frequencies and points must not be so small that they round to 0, where ψ jumps");
        // One rounded product keeps its sign, but two may leave 0 that are not each other's negative.
        require(!jump || points.size() == 1 || least >= least_product,
                "products of frequencies and points must be 0 or not below 2^-968 where they are summed and ψ jumps");
    }
    require(product < largest_product, "the products of frequencies and points must stay below 2^106");
    return product;
}

// The groups of a family: `lanes` frequencies each, in the order in which the kernels read them. Lanes beyond the last
// frequency continue a progression, or repeat the first of the group; the caller drops them.
template <class T>
class FrequencyGroups {
  public:
    FrequencyGroups(const FrequencyFamily& family, double largest)
        : family_(family), small_(largest < small_product), wave_(family.terms[0].wave) {
        wave_.shift = family.shift;
    }

    std::size_t count() const { return divide_up(family_.frequencies.rows, lanes); }
    std::size_t size(std::size_t group) const { return std::min(lanes, family_.frequencies.rows - group * lanes); }
    static constexpr std::size_t stride = lanes;
    // Few columns are multiplied as values are made. Cosines in order are made faster than that.
    bool fuses(std::size_t columns) const {
        return is_one() && family_.points.columns == 1 && family_.divisor == 1.0 && columns <= 2 &&
               wave_.shape != Shape::cosine;
    }
    // Whether ψ is a wave itself, which kernels make in one pass.
    bool is_one() const { return family_.terms.size() == 1 && family_.terms[0].coefficient == 1.0; }

    class Cursor {
      public:
        Cursor(const FrequencyGroups& groups, std::size_t group, std::size_t first)
            : groups_(&groups),
              family_(&groups.family_),
              position_(first),
              frequencies_(lanes * groups.family_.points.columns) {
            const std::size_t dimension = family_->points.columns, active = groups.size(group);
            for (std::size_t l = 0; l < lanes; ++l) {
                const double* row = family_->frequencies.row(group * lanes + (l < active ? l : 0));
                for (std::size_t j = 0; j < dimension; ++j) frequencies_[j * lanes + l] = row[j];
            }
            ordered_ = dimension == 1 && family_->divisor == 1.0 && is_ordered(active);
            const double first_one = frequencies_[0], step = frequencies_[1] - first_one;
            for (std::size_t l = active; ordered_ && l < lanes; ++l)
                frequencies_[l] = first_one + static_cast<double>(l) * step;
        }

        const T* next(std::size_t count, T* scratch) {
            const std::size_t dimension = family_->points.columns;
            const double* points = family_->points.row(position_);
            if (groups_->is_one())
                kernels().of<T>().waves(groups_->wave_, frequencies_.data(), dimension, ordered_, family_->divisor,
                                        points, count, scratch);
            else
                add_up(points, count, scratch);
            position_ += count;
            return scratch;
        }
        void multiply_next(const T* columns, std::size_t width, std::size_t count, double* sums) {
            kernels().of<T>().waves_and_multiply(groups_->wave_, frequencies_.data(), groups_->small_,
                                                 family_->points.row(position_), columns, width, count, sums);
            position_ += count;
        }

      private:
        // Terms one after the other, summed in float64 whatever T is.
        void add_up(const double* points, std::size_t count, T* scratch) {
            const std::size_t size = count * lanes;
            part_.resize(size);
            sum_.assign(size, -family_->shift);
            for (const auto& [coefficient, wave] : family_->terms) {
                Wave unshifted = wave;
                unshifted.shift = 0.0;
                kernels().of<double>().waves(unshifted, frequencies_.data(), family_->points.columns, ordered_,
                                             family_->divisor, points, count, part_.data());
                for (std::size_t i = 0; i < size; ++i) sum_[i] += coefficient * part_[i];
            }
            for (std::size_t i = 0; i < size; ++i) scratch[i] = static_cast<T>(sum_[i]);
        }

        // Integers in arithmetic progression, so small that sums and differences are exact.
        bool is_ordered(std::size_t active) const {
            const double first = frequencies_[0], step = active > 1 ? frequencies_[1] - first : 0.0;
            if (active < 2 || std::abs(first) + static_cast<double>(lanes) * std::abs(step) >= largest_ordered)
                return false;
            if (first != std::floor(first) || step != std::floor(step)) return false;
            for (std::size_t l = 0; l < active; ++l)
                if (frequencies_[l] != first + static_cast<double>(l) * step) return false;
            return true;
        }

        const FrequencyGroups* groups_;
        const FrequencyFamily* family_;
        std::size_t position_;
        std::vector<double> frequencies_, part_, sum_;
        bool ordered_ = false;
    };

  private:
    const FrequencyFamily& family_;
    bool small_;
    Wave wave_;
};

}  // namespace

Shape shape_of(const std::string& name) {
    static constexpr std::array<std::pair<const char*, Shape>, 6> names{{{"sawtooth", Shape::sawtooth},
                                                                         {"cosine", Shape::cosine},
                                                                         {"threshold", Shape::threshold},
                                                                         {"square", Shape::square},
                                                                         {"triangle", Shape::triangle},
                                                                         {"steps", Shape::steps}}};
    for (const auto& [known, shape] : names)
        if (name == known) return shape;
    throw std::invalid_argument("unknown shape '" + name + "'");
}

void values(const FrequencyFamily& family, Matrix<double> out, const Execution& execution) {
    const double largest = check(family, execution);
    require(out.rows == family.frequencies.rows && out.columns == family.points.rows,
            "out must have a row a frequency and a column a point");
    values_of(FrequencyGroups<double>(family, largest), out, execution);
}

template <class T>
void responses(const FrequencyFamily& family, Vector<const double> weights, Matrix<const T> jacobian,
               Matrix<double> out, const Execution& execution) {
    const double largest = check(family, execution);
    const std::size_t members = family.frequencies.rows, points = family.points.rows;
    responses_of(FrequencyGroups<T>(family, largest), members, points, weights, jacobian, out, execution);
}

template <class T>
void quadratic_forms(const FrequencyFamily& family, Vector<const double> offset, Matrix<const T> ntk,
                     Vector<double> out, const Execution& execution) {
    const double largest = check(family, execution);
    const std::size_t members = family.frequencies.rows, points = family.points.rows;
    quadratic_forms_of(FrequencyGroups<T>(family, largest), members, points, offset, ntk, out, execution);
}

template void responses(const FrequencyFamily&, Vector<const double>, Matrix<const float>, Matrix<double>,
                        const Execution&);
template void responses(const FrequencyFamily&, Vector<const double>, Matrix<const double>, Matrix<double>,
                        const Execution&);
template void quadratic_forms(const FrequencyFamily&, Vector<const double>, Matrix<const float>, Vector<double>,
                              const Execution&);
template void quadratic_forms(const FrequencyFamily&, Vector<const double>, Matrix<const double>, Vector<double>,
                              const Execution&);

}  // namespace barren
