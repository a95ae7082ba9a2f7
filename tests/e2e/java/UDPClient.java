// The textbook's UDP client: a datagram there, one back. Arguments: host, port.
import java.io.*;
import java.net.*;

class UDPClient {
  public static void main(String[] argv) throws Exception {
    BufferedReader inFromUser = new BufferedReader(new InputStreamReader(System.in));
    DatagramSocket clientSocket = new DatagramSocket();
    InetAddress address = InetAddress.getByName(argv[0]);
    byte[] sendData = inFromUser.readLine().getBytes();
    byte[] receiveData = new byte[1024];
    clientSocket.send(new DatagramPacket(sendData, sendData.length, address,
        Integer.parseInt(argv[1])));
    DatagramPacket packet = new DatagramPacket(receiveData, receiveData.length);
    clientSocket.receive(packet);
    System.out.println(
        "FROM SERVER: " + new String(packet.getData(), 0, packet.getLength()));
    clientSocket.close();
  }
}
