"""The other side of the row with the HTTP server: python http_client.py

Reads lines "PORT REQUESTS", sends that many requests to this port in four threads, and answers each line with the
number of answers that were right.
"""

import socket
import sys
import threading

THREADS = 4


def ask(port: int) -> bool:
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
        answer = b""
        while received := connection.recv(4096):
            answer += received
    return answer.startswith(b"HTTP/1.0 200 ") and answer.endswith(b"\r\n\r\nok")


def ask_often(port: int, requests: int) -> int:
    right = [0] * THREADS

    def ask_share(number: int) -> None:
        for _ in range(number, requests, THREADS):
            right[number] += ask(port)

    threads = [threading.Thread(target=ask_share, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(right)


def main() -> None:
    for line in sys.stdin:
        port, requests = map(int, line.split())
        print(ask_often(port, requests), flush=True)


if __name__ == "__main__":
    main()
