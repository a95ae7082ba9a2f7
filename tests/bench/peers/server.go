// Go, a goroutine for each connection: server lines|requests|udp PORT
package main

import (
	"bytes"
	"net"
	"os"
)

func serve(conn net.Conn, once bool) {
	defer conn.Close()
	buffer := make([]byte, 4096)
	for {
		n, err := conn.Read(buffer)
		if err != nil {
			return
		}
		conn.Write(bytes.ToUpper(buffer[:n]))
		if once {
			return
		}
	}
}

func serveDatagrams(address string) {
	at, _ := net.ResolveUDPAddr("udp4", address)
	server, err := net.ListenUDP("udp4", at)
	if err != nil {
		panic(err)
	}
	buffer := make([]byte, 4096)
	for {
		n, from, err := server.ReadFromUDPAddrPort(buffer)
		if err == nil {
			server.WriteToUDPAddrPort(bytes.ToUpper(buffer[:n]), from)
		}
	}
}

func main() {
	mode, address := os.Args[1], "127.0.0.1:"+os.Args[2]
	if mode == "udp" {
		serveDatagrams(address)
	}
	server, err := net.Listen("tcp4", address)
	if err != nil {
		panic(err)
	}
	for {
		conn, err := server.Accept()
		if err == nil {
			go serve(conn, mode == "requests")
		}
	}
}
