/* The embedding on the device against its float64 loop. */
#include <CUnit/CUnit.h>
#include <stdio.h>
#include <stdlib.h>
#include "kernels/cuda/plain.h"
#include "tests/support/cuda_batch.h"
#include "tests/support/elements.h"
#include "tests/support/kernel_sets.h"

enum { SPARE = 6, UNTOUCHED = 0x7e, POSITIONS = 70 };
enum { WORD, POSITION, TYPE, GAMMA, BETA, OUT, ARRAYS };

typedef struct {
    cuda_batch   batch;
    device_array arrays[ARRAYS];
    cuda_embed   embed; /* on the device */
} scene;

static scene open_scene(element_type element, const int *lengths, int sequences, int hidden)
{
    scene        s = {.batch = cuda_batch_open(lengths, sequences, SPARE)};
    const size_t H = (size_t)hidden;
    s.arrays[WORD] = device_array_of(elements_random(element, CUDA_BATCH_WORDS * H, 1, 1), CUDA_BATCH_WORDS * H * 2);
    s.arrays[POSITION] = device_array_of(elements_random(element, POSITIONS * H, 2, 1), POSITIONS * H * 2);
    s.arrays[TYPE] = device_array_of(elements_random(element, CUDA_BATCH_TYPES * H, 3, 1), CUDA_BATCH_TYPES * H * 2);
    s.arrays[GAMMA] = device_array_of(random_floats(H, 4), 4 * H);
    s.arrays[BETA] = device_array_of(random_floats(H, 5), 4 * H);
    s.arrays[OUT] = device_array_filled(UNTOUCHED, (size_t)s.batch.tokens * H * 2);
    s.embed = (cuda_embed){s.batch.device, s.arrays[WORD].device, s.arrays[POSITION].device, s.arrays[TYPE].device,
                           s.arrays[GAMMA].device, s.arrays[BETA].device, s.arrays[OUT].device, s.batch.tokens, hidden,
                           1e-3f, element};
    return s;
}

static void close_scene(scene *s)
{
    device_array_free(s->arrays, ARRAYS);
    cuda_batch_close(&s->batch);
}

static size_t run(scene *s, const char *what)
{
    const size_t used = (size_t)s->batch.T * (size_t)s->embed.hidden;
    double      *want = malloc(used * sizeof *want);
    cuda_embed   truth = s->embed;
    truth.input = s->batch.host;
    truth.word = s->arrays[WORD].host;
    truth.position = s->arrays[POSITION].host;
    truth.type = s->arrays[TYPE].host;
    truth.gamma = s->arrays[GAMMA].host;
    truth.beta = s->arrays[BETA].host;
    cuda_embed_plain(&truth, want);
    CU_ASSERT_EQUAL_FATAL(cuda_embed_run(&s->embed, NULL), 0);
    device_array_pull(&s->arrays[OUT]);
    const uint8_t *got = s->arrays[OUT].host;
    size_t         wrong = elements_wrong(s->embed.element, s->arrays[OUT].host, want, used, 1, 2e-6, what);
    for (size_t i = 2 * used; i < s->arrays[OUT].bytes; i++) wrong += got[i] != UNTOUCHED;
    free(want);
    return wrong;
}

static void every_width_and_length(void)
{
    static const int widths[] = {8, 40, 72, 256, 384, 640, 768, 896, 1024};
    static const int lengths[] = {1, 2, 3, 4, 5, 17, 1, 65};
    for (size_t i = 0; i < sizeof widths / sizeof *widths; i++) {
        for (int n = 1; n <= 8; n += 7) {
            for (element_type element = ELEMENT_F16; element <= ELEMENT_BF16; element++) {
                char what[64];
                snprintf(what, sizeof what, "H %d, %d sequences, %s", widths[i], n, element ? "bf16" : "f16");
                scene s = open_scene(element, lengths, n, widths[i]);
                CU_ASSERT_EQUAL(run(&s, what), 0);
                close_scene(&s);
            }
        }
    }
}

static void an_infinite_word_makes_its_tokens_nan(void)
{
    static const int length = 12;
    scene            s = open_scene(ELEMENT_F16, &length, 1, 40);
    ((uint16_t *)s.arrays[WORD].host)[7 * 40 + 3] = 0x7c00; /* the id of token 1 */
    device_array_push(&s.arrays[WORD]);
    CU_ASSERT_EQUAL(run(&s, "infinite"), 0); /* the truth has NaN in token 1 alone */
    CU_ASSERT_EQUAL(((uint16_t *)s.arrays[OUT].host)[40 + 8] & 0x7fff, 0x7fff);
    close_scene(&s);
}

static void shapes_out_of_bounds_are_refused(void)
{
    static const struct { int tokens, hidden; } bad[] = {
        {0, 8}, {1, 0}, {1, 4}, {1, 12}, {1, KERNEL_HIDDEN_MAX + 8}};
    static const int length = 1;
    scene            s = open_scene(ELEMENT_F16, &length, 1, 8);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        cuda_embed e = s.embed;
        e.tokens = bad[i].tokens;
        e.hidden = bad[i].hidden;
        CU_ASSERT_EQUAL(cuda_embed_run(&e, NULL), KERNEL_BAD_SHAPE);
    }
    close_scene(&s);
}

void cuda_embed_suite(CU_pSuite s)
{
    CU_add_test(s, "word, position and type of any width are summed and normalised as in float64, and no row beyond",
                every_width_and_length);
    CU_add_test(s, "an infinite word makes its tokens NaN, and no other", an_infinite_word_makes_its_tokens_nan);
    CU_add_test(s, "a shape that the kernel does not take is refused", shapes_out_of_bounds_are_refused);
}
