#include <algorithm>
#include <cmath>
#include <vector>

#include "barren/errors.hpp"
#include "barren/frequencies.hpp"

namespace barren {
namespace {

// The lines of u -> ψ(u·x) for u from 0 on, one after the other. For x < 0 they are those of ψ(−t), walked by |x|.
class Walk {
  public:
    Walk(Vector<const Piece> pieces, double x) : size_(std::abs(x)) {
        for (std::size_t k = 0; k < pieces.size; ++k) {
            const double end = k + 1 < pieces.size ? pieces[k + 1].start : 1.0;
            const Piece& piece = pieces[k];
            if (x > 0.0)
                lines_.push_back(piece);
            else  // on (1 − end, 1 − start] the value runs backwards
                lines_.push_back({1.0 - end, piece.value + piece.slope * (end - piece.start), -piece.slope});
        }
        if (x < 0.0) std::reverse(lines_.begin(), lines_.end());
        find_end();
    }

    double end() const { return end_; }
    double slope() const { return lines_[place_].slope * size_; }
    double at(double u) const { return lines_[place_].value + lines_[place_].slope * size_ * (u - begin_); }
    void advance() {
        begin_ = end_;
        if (++place_ == lines_.size()) {
            place_ = 0;
            turns_ += 1.0;
        }
        find_end();
    }

  private:
    void find_end() { end_ = (place_ + 1 < lines_.size() ? turns_ + lines_[place_ + 1].start : turns_ + 1.0) / size_; }

    double size_, turns_ = 0.0, begin_ = 0.0, end_ = 0.0;
    std::size_t place_ = 0;
    std::vector<Piece> lines_;
};

double product(const Walk& from_x, const Walk& from_y, Progress& progress, int worker) {
    Walk f = from_x, g = from_y;
    constexpr std::size_t between = 1 << 16;
    double u = 0.0, sum = 0.0;
    for (std::size_t step = 1; u < 1.0; ++step) {
        if (step % between == 0) progress.checkpoint(worker);
        const double next = std::min(1.0, std::min(f.end(), g.end())), middle = 0.5 * (u + next);
        // Simpson's rule: exact for a product of two lines.
        if (next > u)
            sum += (next - u) * (f.at(u) * g.at(u) + 4.0 * f.at(middle) * g.at(middle) + f.at(next) * g.at(next)) / 6.0;
        if (f.end() <= next) f.advance();
        if (g.end() <= next) g.advance();
        u = next;
    }
    return sum;
}

constexpr double pi = 3.14159265358979323846;

// The number u·x less the nearest integer.
double turns(double u, double x) {
    const double product = u * x, error = std::fma(u, x, -product);
    return (product - std::nearbyint(product)) + error;
}

// On a line of middle m and half length h, with c = 2πx:
// ∫(v + s(u − m))·cos(cu) du = v·cos(cm)·2h·sin(ch)/(ch) − s·sin(cm)·2h²·(sin(ch) − ch·cos(ch))/(ch)².
double cosine(double x, const Walk& from_y, Progress& progress, int worker) {
    Walk g = from_y;
    constexpr std::size_t between = 1 << 14;
    double u = 0.0, sum = 0.0;
    for (std::size_t step = 1; u < 1.0; ++step) {
        if (step % between == 0) progress.checkpoint(worker);
        const double next = std::min(1.0, g.end()), half = 0.5 * (next - u), middle = 0.5 * (u + next);
        if (next > u) {
            const double phase = 2.0 * pi * turns(middle, x), z = 2.0 * pi * half * x, z2 = z * z;
            // Where the difference would cancel, its series: what is left out is below 1e-18 of it.
            const bool small = std::abs(z) < 0.1;
            const double even = z == 0.0 ? 1.0 : std::sin(z) / z;
            const double odd =
                small ? z / 3.0 * (1.0 - z2 / 10.0 * (1.0 - z2 / 28.0 * (1.0 - z2 / 54.0 * (1.0 - z2 / 88.0))))
                      : (std::sin(z) - z * std::cos(z)) / z2;
            sum += 2.0 * half * (g.at(middle) * std::cos(phase) * even - g.slope() * half * std::sin(phase) * odd);
        }
        g.advance();
        u = next;
    }
    return sum;
}

constexpr double largest = 0x1p40;  // steps of one pair; every step must move u

void check(Vector<const double> points) {
    for (std::size_t i = 0; i < points.size; ++i)
        require(std::abs(points[i]) < largest && points[i] != 0.0, "x and y must be finite, not 0 and below 2^40");
}

// The walks of all points over the lines of a ψ.
std::vector<Walk> walks(Vector<const double> points, Vector<const Piece> pieces) {
    check(points);
    require(pieces.size > 0 && pieces[0].start == 0.0, "pieces must start at 0");
    for (std::size_t k = 1; k < pieces.size; ++k)
        require(pieces[k].start > pieces[k - 1].start && pieces[k].start < 1.0, "pieces must increase within [0, 1)");
    std::vector<Walk> out;
    out.reserve(points.size);
    for (std::size_t i = 0; i < points.size; ++i) out.emplace_back(pieces, points[i]);
    return out;
}

}  // namespace

void interval_products(Vector<const double> x, Vector<const double> y, Vector<const Piece> of_x,
                       Vector<const Piece> of_y, Matrix<double> out, const Execution& execution) {
    require(out.rows == x.size && out.columns == y.size, "out must have a row and a column for each x and y");
    const auto x_walks = walks(x, of_x), y_walks = walks(y, of_y);
    parallel_for(x.size, execution, [&](std::size_t i, int worker, Progress& progress) {
        for (std::size_t j = 0; j < y.size; ++j) {
            progress.checkpoint(worker);
            out.row(i)[j] = product(x_walks[i], y_walks[j], progress, worker);
        }
    });
}

void interval_cosines(Vector<const double> x, Vector<const double> y, Vector<const Piece> of_y, Matrix<double> out,
                      const Execution& execution) {
    require(out.rows == x.size && out.columns == y.size, "out must have a row and a column for each x and y");
    check(x);
    const auto y_walks = walks(y, of_y);
    parallel_for(x.size, execution, [&](std::size_t i, int worker, Progress& progress) {
        for (std::size_t j = 0; j < y.size; ++j) {
            progress.checkpoint(worker);
            out.row(i)[j] = cosine(x[i], y_walks[j], progress, worker);
        }
    });
}

}  // namespace barren
