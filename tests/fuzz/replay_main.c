/* SPDX-License-Identifier: Apache-2.0 */
/*
 * replay_main - runs a fuzz target over files instead of under libFuzzer.
 *
 * Arguments are files or folders. Each input is copied into an allocation of exactly its size, so
 * AddressSanitizer sees the first byte read too far. A folder without a single input is an error:
 * a target without a corpus tests nothing.
 */
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { PATH_BYTES_MAX = 4096, EXIT_IO = 74 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);
__attribute__((weak)) int LLVMFuzzerInitialize(int *argc, char ***argv);

static _Noreturn void die(const char *path)
{
    (void)fprintf(stderr, "replay: %s: %s\n", path, errno == 0 ? "empty" : strerror(errno));
    exit(EXIT_IO);
}

static void run_file(const char *path, size_t bytes)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        die(path);
    }
    uint8_t *data = malloc(bytes == 0 ? 1 : bytes);
    if (data == NULL || fread(data, 1, bytes, file) != bytes) {
        die(path);
    }
    (void)fclose(file);
    (void)LLVMFuzzerTestOneInput(data, bytes);
    free(data);
}

static size_t run_path(const char *path)
{
    struct stat info;
    if (stat(path, &info) != 0) {
        die(path);
    }
    if (!S_ISDIR(info.st_mode)) {
        run_file(path, (size_t)info.st_size);
        return 1;
    }

    struct dirent **entries = NULL;
    const int count = scandir(path, &entries, NULL, alphasort);
    if (count < 0) {
        die(path);
    }
    size_t inputs = 0;
    for (int i = 0; i < count; i++) {
        char inner[PATH_BYTES_MAX];
        (void)snprintf(inner, sizeof(inner), "%s/%s", path, entries[i]->d_name);
        if (entries[i]->d_name[0] != '.' && stat(inner, &info) == 0 && S_ISREG(info.st_mode)) {
            run_file(inner, (size_t)info.st_size);
            inputs++;
        }
        free(entries[i]);
    }
    free(entries);
    return inputs;
}

int main(int argc, char **argv)
{
    size_t inputs = 0;

    if (LLVMFuzzerInitialize != NULL) {
        (void)LLVMFuzzerInitialize(&argc, &argv);
    }
    for (int i = 1; i < argc; i++) {
        const size_t found = run_path(argv[i]);
        if (found == 0) {
            errno = 0;
            die(argv[i]);
        }
        inputs += found;
    }
    printf("replayed %zu inputs\n", inputs);
    return inputs == 0 ? EXIT_IO : 0;
}
