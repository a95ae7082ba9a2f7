// The lecture's TCP client: a line there, a line back. Arguments: host, port.
import java.io.*;
import java.net.*;

class TCPClient {
  public static void main(String[] argv) throws Exception {
    BufferedReader inFromUser = new BufferedReader(new InputStreamReader(System.in));
    Socket clientSocket = new Socket(argv[0], Integer.parseInt(argv[1]));
    DataOutputStream outToServer = new DataOutputStream(clientSocket.getOutputStream());
    BufferedReader inFromServer =
        new BufferedReader(new InputStreamReader(clientSocket.getInputStream()));
    String sentence = inFromUser.readLine();
    outToServer.writeBytes(sentence + '\n');
    String modifiedSentence = inFromServer.readLine();
    System.out.println("FROM SERVER: " + modifiedSentence);
    clientSocket.close();
  }
}
