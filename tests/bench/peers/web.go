// Go on one processor: files of a folder, and a short text: web PORT ROOT
package main

import (
	"io"
	"net/http"
	"os"
	"runtime"
)

func main() {
	runtime.GOMAXPROCS(1)
	http.HandleFunc("/text", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		io.WriteString(w, "hello, world\n")
	})
	http.Handle("/", http.FileServer(http.Dir(os.Args[2])))
	http.ListenAndServe("127.0.0.1:"+os.Args[1], nil)
}
