/* replay.c - runs a fuzz driver over every file of a corpus folder: findings of the past stay tests. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int main(int argc, char **argv)
{
    DIR *folder = argc == 2 ? opendir(argv[1]) : NULL;
    int ran = 0;
    if (!folder) {
        fprintf(stderr, "usage: %s CORPUS_FOLDER\n", argv[0]);
        return EXIT_FAILURE;
    }
    for (struct dirent *e; (e = readdir(folder));) {
        char path[4096];
        if (e->d_name[0] == '.') continue;
        snprintf(path, sizeof path, "%s/%s", argv[1], e->d_name);
        FILE *f = fopen(path, "rb");
        if (!f) continue;
        static uint8_t bytes[1 << 22];
        size_t n = fread(bytes, 1, sizeof bytes, f);
        fclose(f);
        /* an exact-size copy, so that a read past the end is seen */
        uint8_t *copy = malloc(n + (n == 0));
        if (!copy) return EXIT_FAILURE;
        for (size_t i = 0; i < n; i++) copy[i] = bytes[i];
        LLVMFuzzerTestOneInput(copy, n);
        free(copy);
        ran++;
    }
    closedir(folder);
    printf("%d inputs replayed\n", ran);
    return ran ? EXIT_SUCCESS : EXIT_FAILURE;
}
