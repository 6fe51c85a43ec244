#include "quiet.h"
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

int quiet_begin(void)
{
    fflush(stdout);
    const int screen = dup(STDOUT_FILENO), nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
    dup2(nowhere, STDOUT_FILENO);
    close(nowhere);
    return screen;
}

void quiet_end(int screen)
{
    fflush(stdout);
    dup2(screen, STDOUT_FILENO);
    close(screen);
}
