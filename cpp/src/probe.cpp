#include "barren/probe.hpp"

#include <cstdint>

#if defined(__x86_64__) || defined(_M_X64)
#include <cpuid.h>
#define BARREN_X86
#endif

namespace barren {

#if defined(BARREN_X86)
namespace {

// XCR0: one bit a kind of register that the operating system saves. Executed only where CPUID says OSXSAVE.
std::uint64_t saved_registers() {
    std::uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (std::uint64_t{high} << 32) | low;
}

constexpr bool has(std::uint64_t bits, std::uint64_t wanted) { return (bits & wanted) == wanted; }
constexpr std::uint64_t bit(int n) { return std::uint64_t{1} << n; }

}  // namespace

Processor probe() {
    // Bits: Intel Software Developer's Manual, volume 2A (CPUID) and volume 1, section 13.3 (XCR0).
    constexpr std::uint64_t fma_osxsave_avx = bit(12) | bit(27) | bit(28);  // leaf 1, ECX
    constexpr std::uint64_t avx2 = bit(5), ifma = bit(21);                  // leaf 7, EBX
    constexpr std::uint64_t f_dq_bw_vl = bit(16) | bit(17) | bit(30) | bit(31);
    constexpr std::uint64_t sse_and_avx = bit(1) | bit(2);  // XCR0
    constexpr std::uint64_t masks_and_zmm = sse_and_avx | bit(5) | bit(6) | bit(7);

    Processor found;
    std::uint32_t a = 0, b = 0, c = 0, d = 0;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !has(c, fma_osxsave_avx)) return found;
    const std::uint64_t saved = saved_registers();
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return found;
    found.avx2 = has(b, avx2) && has(saved, sse_and_avx);
    found.avx512 = found.avx2 && has(b, f_dq_bw_vl) && has(saved, masks_and_zmm);
    found.avx512ifma = found.avx512 && has(b, ifma);
    return found;
}
#else
Processor probe() { return {}; }
#endif

}  // namespace barren
