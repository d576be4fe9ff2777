# Reset entry, exception vectors, and the few instructions that Rust has no words for.
#
# Register windows: a call rotates by 4, 8 or 12 registers; when they run out, the overflow
# vectors store a caller's in its stack frame, and the underflow vectors bring them back. Their
# code is given by the Xtensa ISA reference manual, chapter "Windowed Register Option".

# Puts the processor into a known state: nothing interrupts, window 0 is the only one in use, the
# stack is empty, the floating-point unit is on.
.macro fresh
    movi    a0, 0x1F            # windows off, every interrupt masked
    wsr     a0, ps
    rsync
    movi    a0, 0
    wsr     a0, intenable
    wsr     a0, windowbase      # from here on other registers are meant by the same names
    rsync
    movi    a0, 1
    wsr     a0, windowstart
    wsr     a0, cpenable        # coprocessor 0 is the floating-point unit
    rsync
    l32r    a1, .Lstack
    addi    a1, a1, -32
    movi    a0, 1
    slli    a0, a0, 18          # windows on
    addi    a0, a0, 0x20        # user mode
    wsr     a0, ps
    rsync
    # The first frame has no caller: it calls by four registers only, since a call by eight would
    # spill through the stack pointer of nobody.
    movi    a0, 0
.endm

    .section .vectors, "ax"
    .p2align 10
_vectors:
    .org    0x000               # overflow of 4
    s32e    a0, a5, -16
    s32e    a1, a5, -12
    s32e    a2, a5, -8
    s32e    a3, a5, -4
    rfwo
    .org    0x040               # underflow of 4
    l32e    a0, a5, -16
    l32e    a1, a5, -12
    l32e    a2, a5, -8
    l32e    a3, a5, -4
    rfwu
    .org    0x080               # overflow of 8
    s32e    a0, a9, -16
    l32e    a0, a1, -12
    s32e    a1, a9, -12
    s32e    a2, a9, -8
    s32e    a3, a9, -4
    s32e    a4, a0, -32
    s32e    a5, a0, -28
    s32e    a6, a0, -24
    s32e    a7, a0, -20
    rfwo
    .org    0x0C0               # underflow of 8
    l32e    a0, a9, -16
    l32e    a1, a9, -12
    l32e    a2, a9, -8
    l32e    a7, a1, -12
    l32e    a3, a9, -4
    l32e    a4, a7, -32
    l32e    a5, a7, -28
    l32e    a6, a7, -24
    l32e    a7, a7, -20
    rfwu
    .org    0x100               # overflow of 12
    s32e    a0, a13, -16
    l32e    a0, a1, -12
    s32e    a1, a13, -12
    s32e    a2, a13, -8
    s32e    a3, a13, -4
    s32e    a4, a0, -48
    s32e    a5, a0, -44
    s32e    a6, a0, -40
    s32e    a7, a0, -36
    s32e    a8, a0, -32
    s32e    a9, a0, -28
    s32e    a10, a0, -24
    s32e    a11, a0, -20
    rfwo
    .org    0x140               # underflow of 12
    l32e    a0, a13, -16
    l32e    a1, a13, -12
    l32e    a2, a13, -8
    l32e    a11, a1, -12
    l32e    a3, a13, -4
    l32e    a4, a11, -48
    l32e    a5, a11, -44
    l32e    a6, a11, -40
    l32e    a7, a11, -36
    l32e    a8, a11, -32
    l32e    a9, a11, -28
    l32e    a10, a11, -24
    l32e    a11, a11, -20
    rfwu
    .org    0x180               # interrupts of level 2 to 6 and NMI: none is ever enabled
    j       _fatal
    .org    0x1C0
    j       _fatal
    .org    0x200
    j       _fatal
    .org    0x240
    j       _fatal
    .org    0x280
    j       _fatal
    .org    0x2C0
    j       _fatal
    .org    0x300               # exceptions: kernel, user, double
    j       _fatal
    .org    0x340
    j       _fatal
    .org    0x3C0
    j       _fatal

    .org    0x400
.Lfatal:
    .long   fatal
.Lstack:
    .long   _stack_high
.Lstack_low:
    .long   _stack_low
.Lvectors:
    .long   _vectors
.Lbss_start:
    .long   _bss_start
.Lbss_end:
    .long   _bss_end
.Lmain:
    .long   image_main
.Lpaint:
    .long   0xA5A5A5A5

# Nothing of the interrupted program is needed any more. Causes and addresses stay where they are
# while registers and stack are started afresh.
_fatal:
    fresh
    rsr     a6, exccause
    rsr     a7, epc1
    rsr     a8, excvaddr
    l32r    a5, .Lfatal
    callx4  a5
1:  j       1b

# What compiled code calls where it can go no further: says where that was.
    .global abort
    .p2align 2
abort:
    entry   a1, 32
    movi    a10, 64             # no cause of the processor's
    mov     a11, a0
    movi    a12, 0
    l32r    a8, .Lfatal
    callx8  a8

    .global _start
    .p2align 2
_start:
    l32r    a0, .Lvectors
    wsr     a0, vecbase
    rsync
    fresh
    l32r    a2, .Lbss_start
    l32r    a3, .Lbss_end
    movi    a4, 0
1:  bgeu    a2, a3, 2f
    s32i    a4, a2, 0
    addi    a2, a2, 4
    j       1b
2:  # The stack, painted to see later how deep it went.
    l32r    a2, .Lstack_low
    l32r    a4, .Lpaint
    addi    a3, a1, -32
3:  bgeu    a2, a3, 4f
    s32i    a4, a2, 0
    addi    a2, a2, 4
    j       3b
4:  l32r    a5, .Lmain
    callx4  a5
5:  j       5b

    .section .text.cpu, "ax"
    .p2align 2
    .global cpu_id
cpu_id:
    entry   a1, 32
    rsr     a2, prid
    retw
    .p2align 2
    .global cpu_cycles
cpu_cycles:
    entry   a1, 32
    rsr     a2, ccount
    retw
