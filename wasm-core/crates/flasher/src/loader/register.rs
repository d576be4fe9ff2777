//! Registers of the ESP32-S3, and what opens the watchdogs'. Source: esptool 5.6.0 and the chip's
//! technical reference manual.

/// Tells chips without security info apart: holds 9 in an ESP32-S3's ROM.
pub const MAGIC: u32 = 0x4000_1000;
pub const MAC_LOW: u32 = 0x6000_7044;
pub const MAC_HIGH: u32 = 0x6000_7048;
pub const BLOCK1_WORD3: u32 = 0x6000_7050;
pub const BLOCK1_WORD5: u32 = 0x6000_7058;
pub const BLOCK2_WORD4: u32 = 0x6000_706C;
pub const SPI_COMMAND: u32 = 0x6000_2000;
pub const SPI_USER: u32 = 0x6000_2018;
pub const SPI_USER2: u32 = 0x6000_2020;
pub const SPI_MISO_BITS: u32 = 0x6000_2028;
pub const SPI_WORD0: u32 = 0x6000_2058;
pub const RTC_WDT_CONFIG0: u32 = 0x6000_8098;
pub const RTC_WDT_CONFIG1: u32 = 0x6000_809C;
pub const RTC_WDT_PROTECT: u32 = 0x6000_80B0;
pub const SWD_CONFIG: u32 = 0x6000_80B4;
pub const SWD_PROTECT: u32 = 0x6000_80B8;
pub const FORCED_DOWNLOAD: u32 = 0x6000_812C;

pub const RTC_WDT_KEY: u32 = 0x50D8_3AA1;
pub const SWD_KEY: u32 = 0x8F1D_312A;
