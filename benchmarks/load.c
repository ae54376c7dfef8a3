/* Loads a web server on this machine: load PORT CONNECTIONS REQUESTS PER_CONNECTION
 *
 * CONNECTIONS connections at a time, each with one request under way. After PER_CONNECTION responses a connection is
 * closed and a new one takes its place, also when the server says that it closes it, until REQUESTS responses are there. One thread and no allocation a request, so
 * that little of the machine goes to the client. Prints the seconds, and the median and the 99th percentile of the times
 * from a request to its whole response, in milliseconds. Any other status than 200 is an error. */

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { ROOM = 64 * 1024, QUIET_MS = 20000 };

typedef struct {
    int answered;  /* responses on this connection */
    int closing;   /* the server said so in the response */
    double sent;   /* when the request went out */
    size_t length; /* of what has arrived of the response */
    char data[ROOM];
} Connection;

static struct sockaddr_in server;

static void
fail(const char *what)
{
    fprintf(stderr, "load: %s: %s\n", what, errno ? strerror(errno) : "unexpected");
    exit(1);
}

static double
now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int
by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static int
connected(void)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    if (fd < 0 || connect(fd, (struct sockaddr *)&server, sizeof(server)) < 0) {
        fail("connect");
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    return fd;
}

/* The last request of a connection says so, as a client does that is done. */
static void
ask(int fd, Connection *connection, int last)
{
    char request[128];
    int length = snprintf(request, sizeof(request), "GET /page HTTP/1.1\r\nHost: localhost\r\n%s\r\n",
                          last ? "Connection: close\r\n" : "");
    connection->length = 0;
    connection->closing = 0;
    connection->sent = now();
    /* A connection that the server has closed shows when the response is read. */
    if (send(fd, request, (size_t)length, MSG_NOSIGNAL) != length && errno != EPIPE && errno != ECONNRESET) {
        fail("send");
    }
}

/* Whether the response is whole. */
static int
is_whole(Connection *connection)
{
    char *end, *line;
    connection->data[connection->length] = '\0';
    if ((end = strstr(connection->data, "\r\n\r\n")) == NULL) {
        return 0;
    }
    errno = 0;
    if (strncmp(connection->data, "HTTP/1.1 200", 12) != 0) {
        fail("status");
    }
    size_t whole = 0;
    for (line = connection->data; line < end; line = strstr(line, "\r\n") + 2) {
        if (strncasecmp(line, "Content-Length:", 15) == 0) {
            whole = (size_t)(end + 4 - connection->data) + strtoul(line + 15, NULL, 10);
        }
        else if (strncasecmp(line, "Connection: close", 17) == 0) {
            connection->closing = 1;
        }
    }
    if (whole == 0) {
        fail("no Content-Length");
    }
    return connection->length >= whole;
}

int
main(int argc, char **argv)
{
    if (argc != 5) {
        fprintf(stderr, "load PORT CONNECTIONS REQUESTS PER_CONNECTION\n");
        return 2;
    }
    int connections = atoi(argv[2]), requests = atoi(argv[3]), per_connection = atoi(argv[4]);
    int asked = 0, answered = 0;
    if (connections < 1 || requests < connections || per_connection < 1) {
        fprintf(stderr, "load: at least one connection, as many requests as connections\n");
        return 2;
    }
    server.sin_family = AF_INET;
    server.sin_port = htons((unsigned short)atoi(argv[1]));
    server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    Connection *all = calloc((size_t)connections, sizeof(*all));
    struct pollfd *polled = calloc((size_t)connections, sizeof(*polled));
    double *times = calloc((size_t)requests, sizeof(*times));
    if (all == NULL || polled == NULL || times == NULL) {
        fail("memory");
    }
    double begin = now();
    for (int i = 0; i < connections; i++, asked++) {
        polled[i] = (struct pollfd){.fd = connected(), .events = POLLIN};
        ask(polled[i].fd, &all[i], per_connection == 1);
    }
    while (answered < requests) {
        errno = 0;
        if (poll(polled, (nfds_t)connections, QUIET_MS) <= 0) {
            fail("no response");
        }
        for (int i = 0; i < connections; i++) {
            Connection *connection = &all[i];
            if (polled[i].fd < 0 || polled[i].revents == 0) {
                continue;
            }
            ssize_t got = recv(polled[i].fd, connection->data + connection->length, ROOM - 1 - connection->length, 0);
            if (got <= 0 && connection->length == 0 && connection->answered > 0) {
                /* A server may close an idle connection just as the next request is on its way: ask again. */
                close(polled[i].fd);
                polled[i].fd = connected();
                connection->answered = 0;
                ask(polled[i].fd, connection, per_connection == 1);
                continue;
            }
            if (got <= 0) {
                fail("recv");
            }
            connection->length += (size_t)got;
            if (!is_whole(connection)) {
                continue;
            }
            times[answered++] = now() - connection->sent;
            connection->answered++;
            if (connection->answered == per_connection || connection->closing || asked == requests) {
                close(polled[i].fd);
                polled[i].fd = -1;
                connection->answered = 0;
                if (asked == requests) {
                    continue;
                }
                polled[i].fd = connected();
            }
            asked++;
            ask(polled[i].fd, connection, connection->answered == per_connection - 1);
        }
    }
    double seconds = now() - begin;
    qsort(times, (size_t)requests, sizeof(*times), by_size);
    printf("%.6f %.3f %.3f\n", seconds, times[requests / 2] * 1e3, times[requests - 1 - requests / 100] * 1e3);
    return 0;
}
