/* The version, as `soquete --version` and the User-Agent of requests tell it. */
#ifndef BASE_VERSION_H
#define BASE_VERSION_H

#define SOQUETE_VERSION "0.1.0"

#endif
