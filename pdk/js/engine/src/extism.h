// extism.h: the Extism ABI, as far as the plugin needs it, and texts that cross
// it. One source file includes it.
#ifndef EXTISM_H
#define EXTISM_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define EXTISM(name) __attribute__((import_module("extism:host/env"), import_name(name)))

// Offsets and lengths are positions in the host's memory, not in ours.
EXTISM("input_length") uint64_t input_length(void);
EXTISM("input_load_u8") uint32_t input_load_u8(uint64_t index);
EXTISM("input_load_u64") uint64_t input_load_u64(uint64_t index);
EXTISM("alloc") uint64_t block_alloc(uint64_t length);
EXTISM("free") void block_free(uint64_t offset);
EXTISM("length") uint64_t block_length(uint64_t offset);
EXTISM("load_u8") uint32_t block_load_u8(uint64_t offset);
EXTISM("load_u64") uint64_t block_load_u64(uint64_t offset);
EXTISM("store_u8") void block_store_u8(uint64_t offset, uint32_t byte);
EXTISM("store_u64") void block_store_u64(uint64_t offset, uint64_t word);
EXTISM("output_set") void output_set(uint64_t offset, uint64_t length);
EXTISM("error_set") void error_set(uint64_t offset);

// block_of gives a block with these bytes, or 0.
static uint64_t block_of(const char *text, size_t length)
{
    uint64_t offset = block_alloc(length);
    if (offset == 0)
        return 0;
    size_t i = 0;
    for (; i + 8 <= length; i += 8) {
        uint64_t word;
        memcpy(&word, text + i, 8);
        block_store_u64(offset + i, word);
    }
    for (; i < length; i++)
        block_store_u8(offset + i, (uint8_t)text[i]);
    return offset;
}

// block_text gives the bytes of a block and a final zero, or NULL.
static char *block_text(uint64_t offset, size_t *length)
{
    *length = (size_t)block_length(offset);
    char *text = malloc(*length + 1);
    if (!text)
        return NULL;
    size_t i = 0;
    for (; i + 8 <= *length; i += 8) {
        uint64_t word = block_load_u64(offset + i);
        memcpy(text + i, &word, 8);
    }
    for (; i < *length; i++)
        text[i] = (char)block_load_u8(offset + i);
    text[*length] = 0;
    return text;
}

// input_text gives the input and a final zero, or NULL.
static char *input_text(size_t *length)
{
    *length = (size_t)input_length();
    char *text = malloc(*length + 1);
    if (!text)
        return NULL;
    size_t i = 0;
    for (; i + 8 <= *length; i += 8) {
        uint64_t word = input_load_u64(i);
        memcpy(text + i, &word, 8);
    }
    for (; i < *length; i++)
        text[i] = (char)input_load_u8(i);
    text[*length] = 0;
    return text;
}

static inline int succeed(const char *text, size_t length)
{
    output_set(block_of(text, length), length);
    return 0;
}

static int fail_with(const char *json)
{
    error_set(block_of(json, strlen(json)));
    return 1;
}

#endif
