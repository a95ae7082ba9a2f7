/* `soquete help FILE`: the opening comment of a script is its help. */
#ifndef CLI_EXPLAIN_H
#define CLI_EXPLAIN_H

/* Prints the comment without its dashes. The exit status: 0, or 1 with a message when the
 * file cannot be read or begins with none. */
int explain_file(const char *path);

#endif
