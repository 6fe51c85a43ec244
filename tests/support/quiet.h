/* quiet.h - what is printed in between goes nowhere: of code whose lines for a terminal are not what is tested. */
#ifndef TESTS_SUPPORT_QUIET_H
#define TESTS_SUPPORT_QUIET_H

int quiet_begin(void); /* returns what quiet_end() takes */
void quiet_end(int screen);
#endif
