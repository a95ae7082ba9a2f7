// The textbook's UDP server: each datagram goes back to its sender in upper case.
import java.net.*;

class UDPServer {
  public static void main(String[] argv) throws Exception {
    DatagramSocket serverSocket = new DatagramSocket(0);
    System.out.println("listening on 127.0.0.1:" + serverSocket.getLocalPort());
    byte[] receiveData = new byte[1024];
    while (true) {
      DatagramPacket packet = new DatagramPacket(receiveData, receiveData.length);
      serverSocket.receive(packet);
      String sentence = new String(packet.getData(), 0, packet.getLength());
      byte[] sendData = sentence.toUpperCase().getBytes();
      serverSocket.send(new DatagramPacket(sendData, sendData.length, packet.getAddress(),
          packet.getPort()));
    }
  }
}
