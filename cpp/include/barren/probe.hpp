// What the processor can do and what the operating system saves at a context switch: an instruction set may be used
// only where both are true.
#pragma once

namespace barren {

struct Processor {
    bool avx2 = false;        // AVX2 and FMA, with the 256-bit registers saved
    bool avx512 = false;      // AVX-512 F, DQ, BW and VL as well, with the 512-bit and mask registers saved
    bool avx512ifma = false;  // and the 52-bit products of IFMA
};

Processor probe();

}  // namespace barren
